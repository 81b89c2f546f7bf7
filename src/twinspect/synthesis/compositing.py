"""Laying a texture over an image, and finding where the image has visibly changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8]

MIN_CHANGE = 6.0
"""A pixel counts as changed from here, in grey levels of 255: the largest of R, G and B, averaged over 5 x 5."""
_WINDOW = 5
MAX_GREY_SPREAD = 8
"""An image counts as grey, and gets grey anomalies, if R, G and B nowhere differ by more levels of 255."""


def blend(image: Pixels, texture: Pixels, mask: Mask, beta: float) -> Pixels:
    """Compute I^a = (1 - M) I + M ((1 - beta) A + beta I), the anomaly of DRAEM.

    Args:
        image: I, (H, W, 3) uint8; not changed.
        texture: A, (H, W, 3) uint8.
        mask: M, (H, W) bool.
        beta: how much of the image shines through, in 0..1.

    Returns:
        (H, W, 3) uint8, rounded; equal to ``image`` outside the mask.
    """
    mixed: Pixels = image.copy()
    under, over = image[mask].astype(np.float32), texture[mask].astype(np.float32)
    mixed[mask] = np.rint(over + np.float32(beta) * (under - over)).astype(np.uint8)
    return mixed


def keep_changed(before: Pixels, after: Pixels, allowed: Mask) -> tuple[Pixels, Mask]:
    """Take a change only where it is allowed and can be seen.

    Args:
        before: (H, W, 3) uint8.
        after: (H, W, 3) uint8.
        allowed: (H, W) bool.

    Returns:
        (H, W, 3) uint8, ``after`` inside the mask and ``before`` outside it; and the mask, (H, W) bool.
    """
    from scipy import ndimage  # noqa: PLC0415

    change = np.where(after > before, after - before, before - after).max(axis=-1)
    mask: Mask = (ndimage.uniform_filter(change.astype(np.float32), _WINDOW) >= MIN_CHANGE) & allowed
    return np.where(mask[..., None], after, before), mask


def is_grey(image: Pixels) -> bool:
    """Tell whether R, G and B are the same, but for what JPEG does to them."""
    sampled = image[::4, ::4]  # enough to tell, in a tenth of the time
    return int((sampled.max(axis=-1) - sampled.min(axis=-1)).max()) <= MAX_GREY_SPREAD
