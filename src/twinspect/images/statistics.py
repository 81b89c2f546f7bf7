"""What an image looks like, in a few numbers that a person can name: they follow lamp, focus, camera and product.

None of them judges an image; a detector's score does. They say *what* has changed when production has drifted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
SAMPLES: Final = 2**15
"""About this many pixels are used, evenly spread; of smaller images all."""
MIN_ROWS: Final = 16
"""The least number of rows at which texture is measured, however wide the image."""
LAG: Final = 4
"""Pixels between the far neighbours that sharpness compares with near ones."""
DIGITS: Final = 4
"""Decimals kept: below them lie rounding errors, by which equal images must not differ."""
LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


class ImageStatistics(NamedTuple):
    """What one image looks like.

    Attributes:
        brightness: mean grey level, 0 to 255. A lamp, exposure or gain changes it.
        contrast: standard deviation of the grey level, 0 to 127.5. Haze and dirt lower it.
        red: red's share of all light, 0 to 1; a third in a grey image. White balance changes the shares.
        green: green's share, 0 to 1.
        blue: blue's share, 0 to 1.
        saturation: mean distance between the strongest and the weakest channel, 0 to 255; 0 in a grey image.
        sharpness: mean difference of neighbouring pixels over that of pixels four apart, 0 and up: 0.25 on a smooth
            slope, about 1 in pure noise; 0 in an even image. Lost focus and motion lower it.
        noise: standard deviation of noise in grey levels, by Immerkaer's operator, which ignores slopes
            (Computer Vision and Image Understanding 64, 1996). Gain, a hot sensor and fine dust raise it.
        clipped: share of pixels with a channel at 0 or at 255, 0 to 1. Wrong exposure raises it.
    """

    brightness: float
    contrast: float
    red: float
    green: float
    blue: float
    saturation: float
    sharpness: float
    noise: float
    clipped: float


def image_statistics(rgb: NDArray[np.uint8], inside: NDArray[np.bool_] | None = None) -> ImageStatistics:
    """Describe one image.

    Of a large image the same evenly spread pixels are taken each time, so equal images have equal statistics.

    Args:
        rgb: (H, W, 3) uint8 RGB, of any size with H and W above 0.
        inside: (H, W) bool, the pixels that count; ``None`` for all.
    """
    red, green, blue = _subsample(rgb, inside)
    grey = _grey(red, green, blue)
    light = np.array([channel.mean(dtype=np.float64) for channel in (red, green, blue)])
    shares = light / light.sum() if light.any() else np.full(3, 1 / 3)
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    values = (
        grey.mean(dtype=np.float64),
        grey.std(dtype=np.float64),
        *shares,
        (highest - lowest).mean(dtype=np.float64),
        *_texture(_grey_rows(rgb), None if inside is None else _rows(inside)),
        ((highest == 255) | (lowest == 0)).mean(),
    )
    return ImageStatistics(*(round(float(value), DIGITS) for value in values))


def _subsample(rgb: NDArray[np.uint8], inside: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Take evenly spread pixels of an image, or of what counts of it, channel by channel, (3, ...) uint8."""
    if inside is None:
        step = max(1, math.isqrt(rgb.shape[0] * rgb.shape[1] // SAMPLES))
        return np.ascontiguousarray(rgb[::step, ::step].transpose(2, 0, 1))
    counted = np.flatnonzero(inside)
    chosen: NDArray[np.uint8] = rgb.reshape(-1, 3)[counted[:: max(1, len(counted) // SAMPLES)]].T
    return chosen


def _rows(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """Take evenly spread triples of neighbouring rows, (3, n, W, ...): texture needs whole pixels."""
    if len(values) < 3:
        values = np.concatenate([values, values[-1:], values[-1:]])
    last = len(values) - 2
    step = max(1, last // max(MIN_ROWS, SAMPLES // (3 * values.shape[1])))
    return np.stack([values[offset : last + offset : step] for offset in range(3)])


def _grey_rows(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    return _grey(*_rows(rgb).transpose(3, 0, 1, 2))


def _grey(red: NDArray[np.uint8], green: NDArray[np.uint8], blue: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Weigh three channels into grey levels, 0 to 255."""
    weights = np.array(LUMA, dtype=np.float32)
    grey: NDArray[np.float32] = weights[0] * red + weights[1] * green + weights[2] * blue
    return grey


def _texture(rows: NDArray[np.float32], inside: NDArray[np.bool_] | None) -> tuple[float, float]:
    """Measure sharpness and noise on triples of neighbouring rows, (3, n, W) float32, where all pixels count."""
    middle = rows[1]
    near, far = middle[:, 1:] - middle[:, :-1], middle[:, LAG:] - middle[:, :-LAG]
    across = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    curved = across[0] - 2 * across[1] + across[2]
    if inside is not None:
        near, far = near[inside[1][:, 1:] & inside[1][:, :-1]], far[inside[1][:, LAG:] & inside[1][:, :-LAG]]
        columns: NDArray[np.bool_] = np.logical_and.reduce(inside, axis=0)
        curved = curved[columns[:, :-2] & columns[:, 1:-1] & columns[:, 2:]]
    noise = _mean_magnitude(curved) * math.sqrt(math.pi / 2) / 6
    over = _mean_magnitude(far)
    return _mean_magnitude(near) / over if over else 0.0, noise


def _mean_magnitude(differences: NDArray[np.float32]) -> float:
    """Average absolute values; 0 in an image too narrow to have any."""
    return float(np.abs(differences).mean(dtype=np.float64)) if differences.size else 0.0
