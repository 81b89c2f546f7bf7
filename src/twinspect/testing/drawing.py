"""Drawn parts, good and damaged, that a method learns in a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE: Final = 48
"""Height and width of a part, in pixels."""
TOP, LEFT, SQUARE = 8, 28, 12
"""Where the defect lies and its side, in pixels."""


def stripes(seed: int, side: int = SIDE) -> NDArray[np.uint8]:
    """Draw a good part: diagonal stripes whose phase, contrast and noise vary; (side, side, 3) uint8."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    wave = np.sin((rows + columns) / 3 + random.uniform(0, 6)) * random.uniform(40, 60)
    values = 120 + wave[..., None] * np.array([1.0, 0.8, 0.6]) + random.normal(0, 4, (side, side, 3))
    drawn: NDArray[np.uint8] = values.clip(0, 255).astype(np.uint8)
    return drawn


def blemish(image: NDArray[Any], top: int = TOP, left: int = LEFT) -> NDArray[np.uint8]:
    """Draw the same part with a 12 px checked square on it."""
    damaged: NDArray[np.uint8] = image.copy()
    checks = np.indices((SQUARE, SQUARE)).sum(0) // 2 % 2 * 255
    damaged[top : top + SQUARE, left : left + SQUARE] = checks[..., None]
    return damaged


def good(first: int, count: int) -> NDArray[np.uint8]:
    """Draw good parts, (count, 48, 48, 3) uint8.

    Args:
        first: seed of the first; the others follow.
        count: how many.
    """
    return np.stack([stripes(first + number) for number in range(count)])


def damaged(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw the defect on each."""
    return np.stack([blemish(image) for image in images])
