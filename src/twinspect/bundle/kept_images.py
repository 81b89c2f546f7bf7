"""A few of the good images that a threshold was set by, kept with the model so that its exports can be checked."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from twinspect.data.pixels import read_pixels
from twinspect.utils.even_sampling import spaced

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
    return tuple(encode(_pixels(samples[place], bits)) for place in spaced(order.tolist(), count))


def encode(rgb: NDArray[np.uint8]) -> bytes:
    """Give the contents of a PNG file with these pixels, (H, W, 3) uint8 RGB."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format="PNG")
    return file.getvalue()


def decode(content: bytes) -> NDArray[np.uint8]:
    """Give the pixels of a kept image: (H, W, 3) uint8 RGB."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        return np.array(image.convert("RGB"))  # a copy, which torch may write to


def _pixels(sample: Sample, bits: int | None) -> NDArray[np.uint8]:
    rgb = read_pixels(sample, bits=bits)
    top, left = (max(0, (side - MOST_PIXELS) // 2) for side in rgb.shape[:2])
    return rgb[top : top + MOST_PIXELS, left : left + MOST_PIXELS]
