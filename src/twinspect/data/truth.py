"""The ground truth of one image: its masks as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinspect.images.reading import read_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.data.samples import Sample


def read_truth(sample: Sample, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read which pixels any of an image's masks marks; none, if it has no mask.

    Args:
        sample: the image.
        shape: its (height, width), upright.

    Raises:
        ImageError: a mask cannot be read.
        DataError: a mask is not as large as its image.
    """
    marked = np.zeros(shape, dtype=np.bool_)
    for mask in sample.masks:
        marked |= read_mask(mask, shape)
    return marked
