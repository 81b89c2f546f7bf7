"""A few of the good images that a threshold was set by, kept with the model so that its exports can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinspect.data.pixels import read_pixels
from twinspect.images.png import encode_png
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample

MOST_PIXELS = 1024
"""Longest side that is kept, in pixels; of a longer one the middle is, for a smaller copy would be another image."""


def keep(
    samples: Sequence[Sample], scores: Sequence[float], count: int, bits: int | None
) -> tuple[bytes, ...]:
    """Keep images from the least to the most conspicuous one, in even steps.

    Args:
        samples: the good images held out.
        scores: the raw score of each.
        count: how many to keep at most; of two or more, the two ends are among them.
        bits: significant bits of 16-bit files.

    Returns:
        Contents of PNG files, 8-bit RGB at the images' own resolution.
    """
    order = np.argsort(scores, kind="stable")
    return tuple(encode_png(_pixels(samples[place], bits)) for place in evenly_spaced(order.tolist(), count))


def _pixels(sample: Sample, bits: int | None) -> NDArray[np.uint8]:
    rgb = read_pixels(sample, bits=bits)
    top, left = (max(0, (side - MOST_PIXELS) // 2) for side in rgb.shape[:2])
    return rgb[top : top + MOST_PIXELS, left : left + MOST_PIXELS]
