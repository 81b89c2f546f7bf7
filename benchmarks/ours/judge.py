"""Measure raw scores and maps by our metrics, in percent; pixels only of images whose mask is known."""

import json
import sys

import numpy as np

from twinspect.metrics import aupro, auroc

with np.load(sys.argv[1]) as truth, np.load(sys.argv[2]) as found:
    places = {name: place for place, name in enumerate(found["names"].tolist())}
    if set(places) != set(truth["names"].tolist()):
        raise SystemExit("masks and maps are of different images; remove --out")
    order = [places[name] for name in truth["names"].tolist()]
    scores, maps = found["scores"][order], found["maps"][order]
    anomalous, masks, known = truth["anomalous"], truth["masks"], truth["known"]
values = {"image_auroc": auroc(anomalous, scores)}
if masks.any():
    masks, maps = masks[known], maps[known]
    values |= {"pixel_auroc": auroc(masks.ravel(), maps.ravel()), "aupro": aupro(masks, maps, limit=0.3)}
print(json.dumps({name: 100 * float(value) for name, value in values.items()}))
