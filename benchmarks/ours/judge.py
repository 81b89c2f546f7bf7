"""Measure raw scores and maps by our metrics, in percent; pixels only of images whose mask is known."""

import json
import sys

from told import judged

from twinspect.metrics import aupro, auroc

found = judged(*sys.argv[1:])
values = {"image_auroc": auroc(found["anomalous"], found["scores"])}
if found["masks"].any():
    masks, maps = (found[name][found["known"]] for name in ("masks", "maps"))
    values |= {"pixel_auroc": auroc(masks.ravel(), maps.ravel()), "aupro": aupro(masks, maps, limit=0.3)}
print(json.dumps({name: 100 * float(value) for name, value in values.items()}))
