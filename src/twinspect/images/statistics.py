"""What an image looks like, in a few numbers that a person can name: they follow lamp, focus, camera and product.

None of them judges an image; a detector's score does. They say *what* has changed when production has drifted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def image_statistics(rgb: NDArray[np.uint8]) -> ImageStatistics:
    """Describe one image.

    Of a large image the same evenly spread pixels are taken each time, so equal images have equal statistics.

    Args:
        rgb: (H, W, 3) uint8 RGB, of any size with H and W above 0.
    """
    red, green, blue = _subsample(rgb)
    grey = _grey(red, green, blue)
    light = np.array([channel.mean(dtype=np.float64) for channel in (red, green, blue)])
    shares = light / light.sum() if light.any() else np.full(3, 1 / 3)
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    values = (
        grey.mean(dtype=np.float64),
        grey.std(dtype=np.float64),
        *shares,
        (highest - lowest).mean(dtype=np.float64),
        *_texture(_rows(rgb)),
        ((highest == 255) | (lowest == 0)).mean(),
    )
    return ImageStatistics(*(round(float(value), DIGITS) for value in values))


def _subsample(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take evenly spread pixels of an image, channel by channel, (3, h, w) uint8."""
    step = max(1, math.isqrt(rgb.shape[0] * rgb.shape[1] // SAMPLES))
    return np.ascontiguousarray(rgb[::step, ::step].transpose(2, 0, 1))


def _rows(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Take evenly spread triples of neighbouring rows in grey, (3, n, W) float32: texture needs whole pixels."""
    if len(rgb) < 3:
        rgb = np.concatenate([rgb, rgb[-1:], rgb[-1:]])
    last = len(rgb) - 2
    step = max(1, last // max(MIN_ROWS, SAMPLES // (3 * rgb.shape[1])))
    triples = np.stack([rgb[offset : last + offset : step] for offset in range(3)])
    return _grey(*triples.transpose(3, 0, 1, 2))


def _grey(red: NDArray[np.uint8], green: NDArray[np.uint8], blue: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Weigh three channels into grey levels, 0 to 255."""
    weights = np.array(LUMA, dtype=np.float32)
    grey: NDArray[np.float32] = weights[0] * red + weights[1] * green + weights[2] * blue
    return grey


def _texture(rows: NDArray[np.float32]) -> tuple[float, float]:
    """Measure sharpness and noise on triples of neighbouring rows, (3, n, W) float32."""
    middle = rows[1]
    near = _mean_magnitude(middle[:, 1:] - middle[:, :-1])
    far = _mean_magnitude(middle[:, LAG:] - middle[:, :-LAG])
    across = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    noise = _mean_magnitude(across[0] - 2 * across[1] + across[2]) * math.sqrt(math.pi / 2) / 6
    return near / far if far else 0.0, noise


def _mean_magnitude(differences: NDArray[np.float32]) -> float:
    """Average absolute values; 0 in an image too narrow to have any."""
    return float(np.abs(differences).mean(dtype=np.float64)) if differences.size else 0.0
