"""Pixels as PNG files in memory, and back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Give the contents of a PNG file with these pixels, (H, W, 3) uint8 RGB or (H, W) grey."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def decode_png(content: bytes) -> NDArray[np.uint8]:
    """Give the pixels of such a file: (H, W, 3) uint8 RGB."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        return np.array(image.convert("RGB"))  # a copy, which torch may write to
