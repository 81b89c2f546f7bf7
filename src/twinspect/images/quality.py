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


def image_quality(rgb: NDArray[np.uint8], inside: NDArray[np.bool_] | None = None) -> ImageQuality:
    """Measure how an image was taken; equal pixels always have equal quality.

    Args:
        rgb: (H, W, 3) uint8 RGB, of any size with H and W above 0.
        inside: (H, W) bool, the pixels that count, at least one; ``None`` for all.
    """
    grey = _small_grey(rgb)
    if inside is None:
        values = grey.mean(dtype=np.float64), grey.std(dtype=np.float64), _sharpness(grey)
    else:
        values = _quality_inside(grey, _blocks_inside(inside))
    return ImageQuality(*(round(float(value), DIGITS) for value in values))


def _quality_inside(grey: NDArray[np.float32], inside: NDArray[np.bool_]) -> tuple[float, float, float]:
    counted = grey[inside]
    return (
        float(counted.mean(dtype=np.float64)),
        float(counted.std(dtype=np.float64)),
        _sharpness(grey, inside),
    )


def _blocks_inside(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which blocks of the small copy lie inside as a whole; of a region without any, those that touch it."""
    step = max(1, min(inside.shape[:2]) // SAMPLED_SIDE)
    shares = Image.fromarray(inside[::step, ::step].astype(np.float32))
    block = min(shares.size) // SIDE
    small = np.asarray(shares.reduce(block) if block > 1 else shares)
    whole: NDArray[np.bool_] = small > 1 - 1e-3
    touched: NDArray[np.bool_] = small > 0
    # A region that every sampled pixel misses is measured as a whole image.
    return whole if whole.any() else touched if touched.any() else ~touched


def _small_grey(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Average evenly spread pixels over blocks, (h, w) float32 grey levels."""
    step = max(1, min(rgb.shape[:2]) // SAMPLED_SIDE)
    sampled = np.ascontiguousarray(rgb[::step, ::step])
    # Pillow's floating grey is not rounded, nor are its means.
    grey = Image.fromarray(sampled).convert("F")
    block = min(sampled.shape[:2]) // SIDE
    return np.asarray(grey.reduce(block) if block > 1 else grey, dtype=np.float32)


def _sharpness(grey: NDArray[np.float32], inside: NDArray[np.bool_] | None = None) -> float:
    """Compute the root mean square of the Laplacian; 0 where an image, or what counts of it, is too small for one."""
    if min(grey.shape) < 3:
        return 0.0
    centre = grey[1:-1, 1:-1]
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * centre
    if inside is not None:
        centres = (
            inside[1:-1, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:] & inside[:-2, 1:-1] & inside[2:, 1:-1]
        )
        laplacian = laplacian[centres]
    if not laplacian.size:
        return 0.0
    return float(np.sqrt(np.square(laplacian).mean(dtype=np.float64)))
