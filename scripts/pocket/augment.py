"""Random views of an image: crops, scales, turns, colours, blur, noise, JPEG."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Random = np.random.Generator

GREY = np.array([0.299, 0.587, 0.114], np.float32)


def view(image: Pixels, side: int, random: Random) -> Pixels:
    """Draw one view.

    Args:
        image: (H, W, 3) uint8.
        side: of the view in pixels.
        random: decides everything.

    Returns:
        (side, side, 3) uint8.
    """
    picture = _turn(_crop(Image.fromarray(image), side, random), random)
    if random.random() < 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 2)))
    pixels = np.asarray(picture)
    if random.random() < 0.8:
        pixels = _recolour(pixels, random)
    return _compress(pixels, random) if random.random() < 0.15 else pixels


def _crop(picture: Image.Image, side: int, random: Random) -> Image.Image:
    width, height = picture.size
    area = width * height * random.uniform(0.06, 1.0)
    ratio = math.exp(random.uniform(-0.4, 0.4))
    wide = min(math.sqrt(area * ratio), width)
    high = min(math.sqrt(area / ratio), height)
    left, top = random.uniform(0, width - wide), random.uniform(0, height - high)
    way = Image.Resampling.BICUBIC if random.random() < 0.5 else Image.Resampling.BILINEAR
    return picture.resize((side, side), way, box=(left, top, left + wide, top + high))


def _turn(picture: Image.Image, random: Random) -> Image.Image:
    if random.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if random.random() < 0.3:  # parts on a table lie any way up
        ways = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
        picture = picture.transpose(ways[random.integers(3)])
    return picture


def _recolour(pixels: Pixels, random: Random) -> Pixels:
    values = pixels.astype(np.float32)
    kind = random.random()
    if kind < 0.15:
        values = np.repeat(values @ GREY[:, None], 3, axis=2)
    elif kind < 0.25:
        values = values[..., random.permutation(3)]
    elif kind < 0.6:
        grey = values @ GREY[:, None]
        values = grey + (values - grey) * np.float32(random.uniform(0.2, 1.8))
    if random.random() < 0.05:
        values = 255 - values
    middle = values.mean()
    values = (values - middle) * np.float32(math.exp(random.normal(0, 0.3))) + middle
    values += random.normal(0, 20) + random.normal(0, 6, 3).astype(np.float32)
    if random.random() < 0.2:
        values += random.normal(0, random.uniform(1, 12), values.shape).astype(np.float32)
    clipped: NDArray[Any] = np.clip(values, 0, 255)
    return clipped.astype(np.uint8)


def _compress(pixels: Pixels, random: Random) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(random.integers(25, 90)))
    return np.asarray(Image.open(buffer))
