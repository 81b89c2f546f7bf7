"""Write names, labels and masks of the test images, brought to 256 px by the nearest pixel, for either judge.

Good images that are copies of training images are left out, as ``twinspect evaluate`` does; those that only look
nearly the same stay, as there.
"""

from __future__ import annotations

import numpy as np
from found import SIDE
from PIL import Image
from told import files

from twinspect.data import open_data
from twinspect.data.fingerprint import content_digests
from twinspect.images.reading import image_size, read_mask

options = files(__doc__, "data", "out").parse_args()
data = open_data(options.data)
learnt, tested = set(content_digests(data.split("train"))), data.split("test")
hashed = zip(tested, content_digests(tested), strict=True)
samples = [sample for sample, digest in hashed if not (sample.is_good and digest in learnt)]
masks = np.zeros((len(samples), SIDE, SIDE), np.bool_)
for mask, sample in zip(masks, samples, strict=True):
    if sample.mask:
        marked = Image.fromarray(read_mask(sample.mask, image_size(sample.path)))
        mask[:] = np.array(marked.resize((SIDE, SIDE), Image.Resampling.NEAREST))
names = [sample.path.resolve().relative_to(options.data.resolve()).as_posix() for sample in samples]
good = np.array([sample.is_good for sample in samples])
known = good | np.array([sample.mask is not None for sample in samples])
np.savez(options.out, names=np.array(names), masks=masks, anomalous=~good, known=known)
