"""A few of the good images that the threshold was set with, kept with the model to check its exports."""

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
"""Longest side that is kept, in pixels; a longer one is cropped, since scaling would make it another image."""


def select_images(
    samples: Sequence[Sample], scores: Sequence[float], count: int, bits: int | None
) -> tuple[bytes, ...]:
    """Select and encode images from the lowest to the highest score, in even steps.

    Args:
        samples: held-out good images.
        scores: the raw score of each.
        count: how many to keep at most; two or more include the lowest and the highest.
        bits: significant bits of 16-bit files.

    Returns:
        Contents of PNG files, 8-bit RGB at the images' own resolution.
    """
    order = np.argsort(scores, kind="stable")
    return tuple(encode_png(_pixels(samples[index], bits)) for index in evenly_spaced(order.tolist(), count))


def _pixels(sample: Sample, bits: int | None) -> NDArray[np.uint8]:
    rgb = read_pixels(sample, bits=bits)
    top, left = (max(0, (side - MOST_PIXELS) // 2) for side in rgb.shape[:2])
    return rgb[top : top + MOST_PIXELS, left : left + MOST_PIXELS]
