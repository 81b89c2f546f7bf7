"""The photographs of the demo, taken again and again: shifted, turned, lit and noisy as by a fixed camera.

Brick is CC0, coffee is CC0 by Rachel Michetti, the coins of the Brooklyn Museum have no known restrictions.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import skimage
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.float64]
    Mask: TypeAlias = NDArray[np.bool_]

BRICK_SIDE: Final = 256
COINS: Final = (
    (44, 334, 34), (52, 156, 28), (52, 217, 28), (53, 276, 26), (55, 44, 26), (56, 100, 24),
    (120, 271, 29), (124, 46, 25), (125, 206, 24), (125, 335, 24), (126, 103, 23), (128, 154, 24),
    (186, 348, 36), (194, 212, 28), (194, 274, 26), (196, 102, 26), (198, 44, 22), (198, 154, 24),
    (260, 46, 32), (262, 172, 32), (264, 244, 28), (264, 302, 28), (266, 114, 25), (268, 358, 26),
)  # fmt: skip
"""Row, column and radius of each coin of the photograph, in pixels, with a rim of the ground that it lies on."""
COFFEE: Final = (slice(0, 400), slice(80, 480))
"""The rows and columns of the photograph that hold cup and saucer."""
MOST_TURN: Final = 4.0
"""Degrees by which a coin is turned where it lies."""
MARGIN: Final = 16
"""Pixels by which a photograph is continued beyond its edges before it is moved."""


def take_brick(random: np.random.Generator) -> Pixels:
    """Take a square of the paving, (256, 256, 1), half of the time from the other side."""
    wall = _load("brick")
    top, left = random.integers(np.array(wall.shape[:2]) - BRICK_SIDE + 1)
    square = wall[top : top + BRICK_SIDE, left : left + BRICK_SIDE]
    return _exposed(square[:, ::-1] if random.random() < 0.5 else square, random)


def take_coins(random: np.random.Generator) -> Pixels:
    """Take the tray, (303, 384, 1): no coin lies quite as in another image."""
    tray = _load("coins").copy()
    for coin in COINS:
        _turn(tray, coin, random.uniform(-MOST_TURN, MOST_TURN))
    return _exposed(_moved(tray, random), random)


def take_coffee(random: np.random.Generator) -> Pixels:
    """Take the cup, (400, 400, 3), in a light that is now warmer, now cooler."""
    warmth = random.uniform(-0.015, 0.015)
    light = np.array([1 + warmth, 1, 1 - warmth])
    return _exposed(_moved(_load("coffee")[COFFEE], random) * light, random)


@cache
def load_coin(number: int) -> tuple[Pixels, Mask]:
    """Cut a coin out of its photograph: a square (S, S, 1), and which of its pixels are the coin's."""
    row, column, radius = COINS[number]
    radius -= 5  # the rim of ground
    piece = _load("coins")[row - radius : row + radius + 1, column - radius : column + radius + 1]
    return piece, disc(piece.shape[:2], (radius, radius), radius)


def disc(shape: tuple[int, ...], centre: tuple[float, float], radius: float) -> Mask:
    """Draw a disc."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside: Mask = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2
    return inside


@cache
def _load(name: str) -> Pixels:
    """Read a photograph of the scikit-image wheel, (H, W, C)."""
    values = np.asarray(Image.open(Path(skimage.__file__).parent / "data" / f"{name}.png"), np.float64)
    return values if values.ndim == 3 else values[..., None]


def _turn(tray: Pixels, coin: tuple[int, int, int], degrees: float) -> None:
    """Turn a coin where it lies."""
    row, column, radius = coin
    around = np.pad(tray[..., 0], MARGIN, mode="edge")[
        row - radius + MARGIN : row + radius + 1 + MARGIN,
        column - radius + MARGIN : column + radius + 1 + MARGIN,
    ]
    turned = np.asarray(Image.fromarray(around.astype(np.float32)).rotate(degrees, Image.Resampling.BICUBIC))
    rows, columns = np.indices(around.shape) - radius
    share = np.clip(radius - 1 - np.hypot(rows, columns), 0, 2) / 2
    rows, columns = rows + row, columns + column
    inside = (rows >= 0) & (rows < tray.shape[0]) & (columns >= 0) & (columns < tray.shape[1])
    blend = around + share * (turned - around)
    tray[rows[inside], columns[inside], 0] = blend[inside]


def _moved(image: Pixels, random: np.random.Generator) -> Pixels:
    """Shift by up to 2 pixels, turn by up to half a degree and zoom by up to half a percent."""
    height, width, channels = image.shape
    angle, zoom = math.radians(random.uniform(-0.5, 0.5)), random.uniform(0.995, 1.005)
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    down, right = random.uniform(-2, 2, 2)
    y, x = height / 2, width / 2
    matrix = (
        cos,
        sin,
        x - cos * x - sin * y + right + MARGIN,
        -sin,
        cos,
        y + sin * x - cos * y + down + MARGIN,
    )
    padded = np.pad(image, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge").astype(np.float32)
    planes = [
        Image.fromarray(padded[..., channel]).transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
        )
        for channel in range(channels)
    ]
    return np.stack([np.asarray(plane, np.float64) for plane in planes], axis=-1)


def _exposed(image: Pixels, random: np.random.Generator) -> Pixels:
    """Change the light by up to 3 percent, and add the noise of a sensor."""
    exposed: NDArray[Any] = image * random.uniform(0.97, 1.03) + random.normal(0, 1.5, image.shape)
    return exposed
