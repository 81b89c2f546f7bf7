"""Small pictures for pages: images, maps and masks brought to the size they are shown at, and written into a URL."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN_SIDE: Final = 320
"""The longer side of a shown image is at most this, in pixels, unless another is asked for."""
QUALITIES: Final = (85, 65, 45, 25)
LARGEST_PICTURE: Final = 24_000
"""Bytes a picture may have before a lower JPEG quality is tried: 60 pictures then stay below 2 MB of page."""
LARGEST_THUMBNAIL: Final = 8_000
"""The same in a notebook, which keeps its pictures in its file."""


@dataclass(frozen=True)
class Panel:
    """One picture of an image: itself, its heat map or its ground truth.

    Attributes:
        title: what it shows, such as ``heat map``.
        rgb: (h, w, 3) uint8.
    """

    title: str
    rgb: NDArray[np.uint8]

    def data_url(self, largest: int = LARGEST_PICTURE) -> str:
        """Encode as JPEG for an ``<img>``, at the best quality that takes at most so many bytes, or else the lowest.

        Outlines one pixel wide need full colour resolution, so none is dropped.
        """
        for quality in QUALITIES:
            buffer = io.BytesIO()
            Image.fromarray(self.rgb).save(buffer, "JPEG", quality=quality, subsampling=0)
            if buffer.tell() <= largest:
                break
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def shown_scale(shape: tuple[int, ...], side: int = SHOWN_SIDE) -> float:
    """Give the pixels of a shown image a pixel of the original: a whole number, or one over a whole number."""
    smaller, larger = _factors(shape, side)
    return larger / smaller


def shrink_map(values: NDArray[Any], side: int = SHOWN_SIDE) -> NDArray[Any]:
    """Bring a map or mask, (H, W), to its shown size; each block becomes its maximum, so no small spot is lost."""
    smaller, larger = _factors(values.shape, side)
    padding = [(0, -length % smaller) for length in values.shape]
    blocks = np.pad(values, padding, mode="edge")
    height, width = (length // smaller for length in blocks.shape)
    small = blocks.reshape(height, smaller, width, smaller).max(axis=(1, 3))
    return _enlarge(small, larger)


def shrink_image(
    rgb: NDArray[np.uint8], shape: tuple[int, ...] | None = None, side: int = SHOWN_SIDE
) -> NDArray[np.uint8]:
    """Bring an image to its shown size; each block becomes its mean.

    Args:
        rgb: (H, W, 3).
        shape: of the map that it is shown beside; ``None`` for its own.
        side: the longer side that it has at most.
    """
    smaller, larger = _factors(shape or rgb.shape, side)
    return _enlarge(np.asarray(Image.fromarray(rgb).reduce(smaller)), larger)


def _factors(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Choose the whole numbers to shrink and to enlarge an image by; one of them is 1.

    Images up to half the side are enlarged, so that outlines stay thin.
    """
    longest = max(shape[:2])
    return -(-longest // side), side // longest if 2 * longest <= side else 1


def _enlarge(values: NDArray[Any], times: int) -> NDArray[Any]:
    return values.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else values
