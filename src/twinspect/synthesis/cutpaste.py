"""CutPaste (Li et al., CVPR 2021): a piece of an image, its colours jittered, pasted elsewhere on the same image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from twinspect.synthesis.boxes import Box, box_around, random_pixel
from twinspect.synthesis.compositing import keep_changed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]
    Random = np.random.Generator

PATCH_AREA, PATCH_ASPECT = (0.02, 0.15), (0.3, 3.3)
"""Of a patch: its share of the image's area, and its height by its width."""
SCAR_AREA, SCAR_ASPECT = (0.002, 0.01), (3.0, 12.0)
"""Of a scar, which is thin and turned by any angle; half of all pieces are scars."""
JITTER = 0.1
"""Contrast and brightness vary by up to this share; not the colour, or grey images would show what is pasted."""


def cut_paste(image: Pixels, foreground: Mask, random: Random) -> tuple[Pixels, Mask]:
    """Paste a patch or a scar, cut out anywhere, around a place in the foreground.

    Args:
        image: (H, W, 3) uint8; not changed.
        foreground: (H, W) bool, not empty; nothing outside changes.
        random: decides everything.

    Returns:
        (H, W, 3) uint8, and (H, W) bool: where the image changed visibly, all else is as it was.
    """
    shape = foreground.shape[0], foreground.shape[1]
    scar = random.random() < 0.5
    size = _random_size(shape, random, *((SCAR_AREA, SCAR_ASPECT) if scar else (PATCH_AREA, PATCH_ASPECT)))
    anywhere = (int(random.integers(shape[0])), int(random.integers(shape[1])))
    source = box_around(anywhere, size, shape)
    piece, cover = _rotate(_jitter(image[source.window], random), random.uniform(0, 360) if scar else 0.0)
    target = box_around(random_pixel(foreground, random), cover.shape, shape)
    return _paste(image, piece, cover, target, foreground)


def _paste(image: Pixels, piece: Pixels, cover: Mask, target: Box, foreground: Mask) -> tuple[Pixels, Mask]:
    rows, columns = slice(target.height), slice(target.width)
    allowed = cover[rows, columns] & foreground[target.window]
    pasted, mask = image.copy(), np.zeros_like(foreground)
    pasted[target.window], mask[target.window] = keep_changed(
        image[target.window], piece[rows, columns], allowed
    )
    return pasted, mask


def _random_size(
    shape: tuple[int, int], random: Random, areas: tuple[float, float], aspects: tuple[float, float]
) -> tuple[int, int]:
    """Draw height and width in pixels: the area evenly, the aspect evenly on a scale of ratios."""
    area = random.uniform(*areas) * shape[0] * shape[1]
    aspect = math.exp(random.uniform(math.log(aspects[0]), math.log(aspects[1])))
    return max(2, round(math.sqrt(area * aspect))), max(2, round(math.sqrt(area / aspect)))


def _jitter(piece: Pixels, random: Random) -> Pixels:
    """Change contrast around the mean, and brightness."""
    contrast, brightness = random.uniform(1 - JITTER, 1 + JITTER, 2).astype(np.float32)
    mean = piece.mean(dtype=np.float32)
    jittered: NDArray[np.float32] = np.clip((piece - mean) * contrast + mean * brightness, 0, 255)
    return jittered.astype(np.uint8)


def _rotate(piece: Pixels, degrees: float) -> tuple[Pixels, Mask]:
    """Turn a piece, and say which pixels of the box around it are its own."""
    if not degrees:
        return piece, np.ones(piece.shape[:2], np.bool_)
    cover = Image.fromarray(np.full(piece.shape[:2], 255, np.uint8)).rotate(degrees, expand=True)
    turned = Image.fromarray(piece).rotate(degrees, expand=True)
    return np.asarray(turned), np.asarray(cover) > 0
