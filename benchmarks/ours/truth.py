"""Write names, labels and masks of the test images, brought to 256 px by the nearest pixel, for either judge."""

from __future__ import annotations

import numpy as np
from models import SIDE
from PIL import Image
from told import files

from twinspect.data import open_data
from twinspect.images.reading import image_size, read_mask

options = files(__doc__, "data", "out").parse_args()
samples = open_data(options.data).split("test")
masks = np.zeros((len(samples), SIDE, SIDE), np.bool_)
for mask, sample in zip(masks, samples, strict=True):
    if sample.mask:
        marked = Image.fromarray(read_mask(sample.mask, image_size(sample.path)))
        mask[:] = np.array(marked.resize((SIDE, SIDE), Image.Resampling.NEAREST))
names = [sample.path.resolve().relative_to(options.data.resolve()).as_posix() for sample in samples]
good = np.array([sample.is_good for sample in samples])
known = good | np.array([sample.mask is not None for sample in samples])
np.savez(options.out, names=np.array(names), masks=masks, anomalous=~good, known=known)
