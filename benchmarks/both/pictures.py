"""Images of noise: where only time is measured, both sides are given the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 256
"""Of an image, in pixels: what the networks take, so that nothing needs resizing."""


def pictures(count: int) -> NDArray[np.uint8]:
    """Make (count, SIDE, SIDE, 3) images."""
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
