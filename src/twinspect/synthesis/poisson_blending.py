"""Natural synthetic anomalies (Schlüter et al., ECCV 2022): a piece of another image, cloned without a seam.

Only the piece's gradients are kept; its colours follow from those along the border of where it goes (Pérez et al.,
SIGGRAPH 2003). On a rectangle the sine transform solves the Poisson equation exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from twinspect.synthesis.boxes import box_around, random_pixel
from twinspect.synthesis.compositing import keep_changed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]
    Random = np.random.Generator

SIDES = (0.08, 0.4)
"""Height and width of a piece, as shares of the image's."""
SCALES = (0.7, 1.4)
"""By how much a piece is enlarged on its way."""
_MIN_SIDE = 3


def poisson_paste(
    image: Pixels, foreground: Mask, source: Pixels, source_foreground: Mask, random: Random
) -> tuple[Pixels, Mask]:
    """Clone a piece of one image, resized, seamlessly into another.

    Args:
        image: (H, W, 3) uint8, both sides at least 3; not changed.
        foreground: (H, W) bool, not empty; the piece goes around a place in it, and nothing outside changes.
        source: (H, W, 3) uint8.
        source_foreground: (H, W) bool, not empty; the piece comes from around a place in it.
        random: decides everything.

    Returns:
        (H, W, 3) uint8, and (H, W) bool: where the image changed visibly, all else is as it was.
    """
    shape = foreground.shape[0], foreground.shape[1]
    size = [max(_MIN_SIDE, round(random.uniform(*SIDES) * side)) for side in shape]
    target = box_around(random_pixel(foreground, random), (size[0], size[1]), shape)
    scale = random.uniform(*SCALES)
    cut = (max(1, round(target.height / scale)), max(1, round(target.width / scale)))
    origin = box_around(random_pixel(source_foreground, random), cut, shape)
    piece = Image.fromarray(source[origin.window]).resize((target.width, target.height))
    before = image[target.window]
    cloned = seamless_clone(before, np.asarray(piece), mixed=bool(random.integers(2)))
    pasted, mask = image.copy(), np.zeros_like(foreground)
    pasted[target.window], mask[target.window] = keep_changed(before, cloned, foreground[target.window])
    return pasted, mask


def seamless_clone(target: Pixels, piece: Pixels, *, mixed: bool) -> Pixels:
    """Give a rectangle the gradients of a piece; its outermost pixels stay.

    Args:
        target: (H, W, 3) uint8, both sides at least 3.
        piece: of the same shape.
        mixed: keep the target's gradients where they are steeper, so that its structure shows through.

    Returns:
        (H, W, 3) uint8.
    """
    old, new = target.astype(np.float32), piece.astype(np.float32)
    inner = slice(1, -1)
    down, right = (_gradients(old, new, axis, mixed=mixed) for axis in (0, 1))
    laplacian = np.diff(down[:, inner], axis=0) + np.diff(right[inner], axis=1)
    cloned: Pixels = target.copy()
    cloned[inner, inner] = np.clip(np.rint(solve_poisson(laplacian, old)), 0, 255).astype(np.uint8)
    return cloned


def solve_poisson(laplacian: Floats, frame: Floats) -> Floats:
    """Find the values inside a rectangle from their five-point Laplacian and the values around them.

    Args:
        laplacian: (h, w, C) float: the sum of the four neighbours minus four times the value.
        frame: (h + 2, w + 2, C) float, of which only the outermost pixels count, without the corners.

    Returns:
        (h, w, C), of the same float type as ``laplacian``.
    """
    from scipy import fft  # noqa: PLC0415

    right_side = laplacian.copy()
    right_side[0] -= frame[0, 1:-1]
    right_side[-1] -= frame[-1, 1:-1]
    right_side[:, 0] -= frame[1:-1, 0]
    right_side[:, -1] -= frame[1:-1, -1]
    # Sines that vanish just outside are the eigenvectors of the Laplacian; along an axis of n values number k has
    # the eigenvalue 2 cos(pi k / (n + 1)) - 2.
    rows, columns = (
        (2 * np.cos(np.pi * np.arange(1, n + 1) / (n + 1)) - 2).astype(laplacian.dtype)
        for n in laplacian.shape[:2]
    )
    spectrum = fft.dstn(right_side, type=1, axes=(0, 1)) / (rows[:, None] + columns)[..., None]
    values: Floats = fft.idstn(spectrum, type=1, axes=(0, 1))
    return values


def _gradients(old: Floats, new: Floats, axis: int, *, mixed: bool) -> Floats:
    """Take the differences between neighbours along an axis: the piece's, or the larger of both."""
    gradients: Floats = np.diff(new, axis=axis)
    if not mixed:
        return gradients
    old_gradients = np.diff(old, axis=axis)
    return np.where(np.abs(old_gradients) > np.abs(gradients), old_gradients, gradients)
