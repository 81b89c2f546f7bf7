"""What a defect looks like inside its outline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinspect.synthesis.compositing import is_grey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.synthesis.boxes import Box
    from twinspect.synthesis.defects.canvas import Canvas

    Floats = NDArray[np.float32]
    Random = np.random.Generator

STAIN_SHARE = 0.75
"""A stain's contrast by that of other defects: it shines through."""
SMOOTH, GRAIN = 0.15, 0.06
"""Of a texture worn smooth, the blur's sigma, and of a rough one, the grains' size: by the side of the box."""
ROUGH_SHARE = 0.25
"""A surface is rough if it deviates from smooth by this share of the contrast; grains deviate by twice that."""


def plain(canvas: Canvas, box: Box, random: Random) -> Floats:
    """Give one colour, darker or lighter than what it covers.

    Args:
        canvas: the image.
        box: the part of it to draw on.
        random: decides the rest.

    Returns:
        (h, w, 3) float32 in 0..255: the box as it would be if the defect covered all of it.
    """
    before = _before(canvas, box)
    middle = before[box.height // 2, box.width // 2]
    return np.broadcast_to(middle + _step(middle, canvas.contrast, random), before.shape)


def shifted(canvas: Canvas, box: Box, random: Random) -> Floats:
    """Make the surface darker or lighter, with its texture; arguments and result as for :func:`plain`."""
    before = _before(canvas, box)
    return before + _step(before, canvas.contrast, random)


def tinted(canvas: Canvas, box: Box, random: Random) -> Floats:
    """Tint the surface, each colour channel by its own amount; arguments and result as for :func:`plain`."""
    before = _before(canvas, box)
    step = _step(before, STAIN_SHARE * canvas.contrast, random)
    grey = is_grey(canvas.pixels)  # where colour alone would reveal it
    weights = 1 if grey else random.uniform(0.6, 1, 3).astype(np.float32)
    tint: Floats = before + step * weights
    return tint


def missing(canvas: Canvas, box: Box, random: Random) -> Floats:  # noqa: ARG001 - as the others
    """Show what lies behind; arguments and result as for :func:`plain`."""
    return canvas.behind[box.window].astype(np.float32)


def other_texture(canvas: Canvas, box: Box, random: Random) -> Floats:
    """Make smooth what is rough and rough what is smooth; arguments and result as for :func:`plain`."""
    from scipy import ndimage  # noqa: PLC0415

    before = _before(canvas, box)
    side = min(box.height, box.width)
    inside = canvas.foreground[box.window]
    smooth = _smoothed(before, inside, max(1, SMOOTH * side))
    if np.std((before - smooth).mean(axis=-1)[inside]) >= ROUGH_SHARE * canvas.contrast:
        return smooth
    grain = ndimage.gaussian_filter(random.normal(size=(box.height, box.width)), max(0.5, GRAIN * side))
    grain *= 2 * ROUGH_SHARE * canvas.contrast / grain.std()
    rough: Floats = before + grain[..., None].astype(np.float32)
    return rough


def _smoothed(before: Floats, inside: NDArray[np.bool_], sigma: float) -> Floats:
    """Blur the object alone, as if there were nothing around it."""
    from scipy import ndimage  # noqa: PLC0415

    weights = inside[..., None].astype(np.float32)
    blur = (sigma, sigma, 0)
    total = np.maximum(ndimage.gaussian_filter(weights, blur), np.finfo(np.float32).eps)
    smooth: Floats = ndimage.gaussian_filter(before * weights, blur) / total
    return smooth


def _before(canvas: Canvas, box: Box) -> Floats:
    before: Floats = canvas.pixels[box.window].astype(np.float32)
    return before


def _step(before: Floats, contrast: float, random: Random) -> float:
    """Choose darker or lighter, whichever the brightest channel has room for."""
    level = float(before.reshape(-1, 3).mean(axis=0).max())
    darker = level - contrast >= 0
    lighter = level + contrast <= 255
    sign = int(random.choice((-1, 1))) if darker == lighter else 1 if lighter else -1
    return sign * contrast
