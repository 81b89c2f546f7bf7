"""A good image, and what drawing on it needs: where its object is, how strong a defect is, what lies behind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]

CONTRASTS = (32.0, 128.0)
"""Defects differ from their surroundings as much as the object's own light parts from its dark ones (the 95th from
the 5th percentile of its grey levels): what stands out on a plain part would drown on a colourful one. But by no less
and no more than this, in grey levels of 255."""
_SMOOTHING = 5


@dataclass(frozen=True)
class Canvas:
    """A good image, prepared once for any number of defects.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        places: the object's pixels, as flat indices; all where there is no object. Nothing else is changed.
        outline: those of them that touch the background; ``places`` where there is no object.
        foreground: (H, W) bool, the object.
        behind: (H, W, 3) uint8, what would be seen where a piece is missing.
        contrast: how far a defect is from its surroundings, in grey levels of 255.
    """

    pixels: Pixels
    places: NDArray[np.intp]
    outline: NDArray[np.intp]
    foreground: Mask
    behind: Pixels
    contrast: float

    @classmethod
    def of(cls, pixels: Pixels, foreground: Mask) -> Canvas:
        """Prepare an image.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            foreground: (H, W) bool, not empty; see :func:`twinspect.synthesis.foreground`.
        """
        from scipy import ndimage  # noqa: PLC0415

        places = np.flatnonzero(foreground)
        has_background = not foreground.all()
        edge = foreground & ~ndimage.binary_erosion(foreground, border_value=1)
        outline = np.flatnonzero(edge) if has_background else places
        behind = _background(pixels, foreground) if has_background else _hole(pixels)
        return cls(pixels, places, outline, foreground, behind, _contrast(pixels[foreground]))

    @property
    def side(self) -> float:
        """What sizes are shares of: the square root of the image's area, in pixels."""
        return math.sqrt(self.pixels.shape[0] * self.pixels.shape[1])


def _contrast(pixels: Pixels) -> float:
    low, high = np.percentile(pixels.mean(axis=-1), (5, 95))
    return float(np.clip(high - low, *CONTRASTS))


def _background(pixels: Pixels, foreground: Mask) -> Pixels:
    """Continue the background behind the object: each pixel takes the nearest one's colour, smoothed."""
    from scipy import ndimage  # noqa: PLC0415

    nearest = ndimage.distance_transform_edt(foreground, return_distances=False, return_indices=True)
    filled: Pixels = pixels[tuple(nearest)]
    smooth: Pixels = ndimage.uniform_filter(filled, (_SMOOTHING, _SMOOTHING, 1))
    return smooth


def _hole(pixels: Pixels) -> Pixels:
    """Show a hole in a surface: plain, and of its darkest colour, or of its lightest if nearly all of it is dark."""
    grey = pixels.mean(axis=-1)
    low, middle, high = np.percentile(grey, (2, 50, 98))
    dark = middle - low >= min(CONTRASTS[0], high - middle)
    chosen = pixels[grey <= low] if dark else pixels[grey >= high]
    return np.broadcast_to(np.rint(chosen.mean(axis=0)).astype(np.uint8), pixels.shape)
