"""Whether there is anything to see in an image: how bright, how contrasted and how sharp it is.

All three are measured on a small grey copy, whose pixels are means over blocks: sensor noise, which would otherwise
pass for detail in an image out of focus, averages out there, and the copy costs little to look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLED_SIDE: Final = 512
"""Of a larger image evenly spread pixels are taken, at least so many along the shorter side: the cost stays small."""
SIDE: Final = 128
"""The shorter side of the copy has at least so many pixels, and less than twice as many; smaller images stay as
they are."""
DIGITS: Final = 4
"""Decimals kept: below them lie rounding errors, by which equal images must not differ."""


class ImageQuality(NamedTuple):
    """How an image was taken.

    Attributes:
        brightness: mean grey level, 0 to 255. It falls without light, and rises with overexposure.
        contrast: standard deviation of the grey level, 0 to 127.5; 0 in a blank image.
        sharpness: root mean square of the Laplacian of the grey level, 0 to 2040; out of focus it falls.
    """

    brightness: float
    contrast: float
    sharpness: float


def image_quality(rgb: NDArray[np.uint8]) -> ImageQuality:
    """Measure how an image was taken; equal pixels always have equal quality.

    Args:
        rgb: (H, W, 3) uint8 RGB, of any size with H and W above 0.
    """
    grey = _small_grey(rgb)
    values = grey.mean(dtype=np.float64), grey.std(dtype=np.float64), _sharpness(grey)
    return ImageQuality(*(round(float(value), DIGITS) for value in values))


def _small_grey(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Average evenly spread pixels over blocks, (h, w) float32 grey levels."""
    step = max(1, min(rgb.shape[:2]) // SAMPLED_SIDE)
    sampled = np.ascontiguousarray(rgb[::step, ::step])
    # Pillow's floating grey is not rounded, nor are its means.
    grey = Image.fromarray(sampled).convert("F")
    block = min(sampled.shape[:2]) // SIDE
    return np.asarray(grey.reduce(block) if block > 1 else grey, dtype=np.float32)


def _sharpness(grey: NDArray[np.float32]) -> float:
    """Compute the root mean square of the Laplacian; 0 where an image is too small to have one."""
    if min(grey.shape) < 3:
        return 0.0
    centre = grey[1:-1, 1:-1]
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * centre
    return float(np.sqrt(np.square(laplacian).mean(dtype=np.float64)))
