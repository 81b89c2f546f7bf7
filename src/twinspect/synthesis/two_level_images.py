"""Images of two grey levels, such as bare boards, prints and silhouettes: their anomalies have these levels too.

On a black and white image every shade between reveals an anomaly. A model trained on such anomalies learns to look
for shades, which no real defect has, and not for shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from twinspect.synthesis.foreground import otsu

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]

MIN_SEPARABILITY = 0.9
"""Least share of the variance that lies between the two levels; edges that a resize made grey are the rest."""
MIN_CONTRAST = 150.0
"""Least difference between the two levels, of 255."""
_SCALE = 2


def two_levels(image: Pixels) -> tuple[int, int] | None:
    """Find the two grey levels of an image that has no more.

    Args:
        image: (H, W, 3) uint8, grey.

    Returns:
        The darker and the lighter level; ``None`` if the image has others.
    """
    grey = image[::4, ::4, 0]  # enough to tell, in a sixteenth of the time
    threshold, separability, contrast = otsu(grey)
    if separability < MIN_SEPARABILITY or contrast < MIN_CONTRAST:
        return None
    return int(np.median(grey[grey <= threshold])), int(np.median(grey[grey > threshold]))


def paste_levels(image: Pixels, texture: Pixels, mask: Mask, levels: tuple[int, int]) -> Pixels:
    """Replace what a mask covers by a texture cut to two levels at its median, with edges as smooth as the image's.

    Args:
        image: (H, W, 3) uint8, grey; not changed.
        texture: (H, W, 3) uint8, grey.
        mask: (H, W) bool.
        levels: the darker and the lighter one.

    Returns:
        (H, W, 3) uint8; equal to ``image`` outside the mask.
    """
    lighter = _upscale(texture[..., 0]) > np.median(texture[::4, ::4, 0])
    cut = np.where(lighter, np.uint8(levels[1]), np.uint8(levels[0]))
    covered = _upscale(mask.astype(np.uint8) * 255) > 127
    fine = np.where(covered, cut, image[..., 0].repeat(_SCALE, 0).repeat(_SCALE, 1))
    coarse = np.asarray(Image.fromarray(fine).reduce(_SCALE))
    pasted: Pixels = np.where(mask[..., None], coarse[..., None], image)
    return pasted


def _upscale(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = values.shape
    size = (_SCALE * width, _SCALE * height)
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
