"""Resizing by NumPy, as torch does it: for runtimes whose own resizing is slow.

Every row of a result is a weighted mean of few rows of the original. Rows are computed in blocks, each a product of
its weights and of those rows of the original that any of its own needs; then columns likewise.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK: Final = 8
"""Rows that are computed at once; a product of so few is not worth a second thread to BLAS."""
SIZES_KEPT: Final = 64
"""Numbers of rows, before and after, whose weights are kept."""


class Kernel(NamedTuple):
    """How the weights of the original's rows fall off.

    Attributes:
        cubic: like the cubic of Keys (1981) with a = -1/2, which reaches twice as far, and not linearly.
        antialias: over more of the original's rows where there are more of them than in the result.
    """

    cubic: bool
    antialias: bool


class Block(NamedTuple):
    """Neighbouring rows of a result.

    Attributes:
        rows: which they are.
        near: the rows of the original that they come from.
        weights: (rows, near) float32; each row adds up to 1.
    """

    rows: slice
    near: slice
    weights: NDArray[np.float32]


def resize(images: NDArray[Any], height: int, width: int, kernel: Kernel) -> NDArray[np.float32]:
    """Resize (..., H, W) to (..., height, width) float32."""
    return _resize_columns(_resize_rows(images, height, kernel), width, kernel)


def resize_rgb(images: NDArray[np.uint8], height: int, width: int, kernel: Kernel) -> NDArray[np.float32]:
    """Resize (B, H, W, 3) uint8 to (B, 3, height, width) float32, in grey levels."""
    batch, rows, columns, channels = images.shape
    resized = _resize_rows(images.reshape(batch, rows, -1), height, kernel)
    planes = resized.reshape(batch, height, columns, channels).transpose(0, 3, 1, 2)
    return _resize_columns(np.ascontiguousarray(planes), width, kernel)


def _resize_rows(values: NDArray[Any], side: int, kernel: Kernel) -> NDArray[np.float32]:
    resized = np.empty((*values.shape[:-2], side, values.shape[-1]), np.float32)
    for block in blocks(values.shape[-2], side, kernel):
        near = values[..., block.near, :].astype(np.float32, copy=False)
        np.matmul(block.weights, near, out=resized[..., block.rows, :])
    return resized


def _resize_columns(values: NDArray[np.float32], side: int, kernel: Kernel) -> NDArray[np.float32]:
    resized = np.empty((*values.shape[:-1], side), np.float32)
    for block in blocks(values.shape[-1], side, kernel):
        np.matmul(values[..., block.near], block.weights.T, out=resized[..., block.rows])
    return resized


@lru_cache(SIZES_KEPT)
def blocks(before: int, after: int, kernel: Kernel) -> tuple[Block, ...]:
    """Divide the rows of a result into blocks.

    Args:
        before: rows of the original.
        after: rows of the result.
        kernel: of their weights.
    """
    return tuple(
        _block(before, after, range(start, min(start + BLOCK, after)), kernel)
        for start in range(0, after, BLOCK)
    )


def _block(before: int, after: int, rows: range, kernel: Kernel) -> Block:
    # To stay exact, distances are whole numbers: in units of 1 / (2 * after) of an original row.
    centres = (2 * np.arange(rows.start, rows.stop) + 1) * before
    unit = 2 * (max(before, after) if kernel.antialias else after)
    distances = np.abs((2 * np.arange(before) + 1) * after - centres[:, None])
    weights = (_cubic if kernel.cubic else _linear)(distances / unit)
    used = np.flatnonzero(weights.any(axis=0))
    near = slice(int(used[0]), int(used[-1]) + 1)
    normalised = weights[:, near] / weights.sum(axis=1, keepdims=True)
    return Block(slice(rows.start, rows.stop), near, normalised.astype(np.float32))


def _linear(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1 - distances, 0)


def _cubic(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    near = np.polyval([1.5, -2.5, 0, 1], distances)
    far = np.polyval([-0.5, 2.5, -4, 2], distances)
    return np.where(distances < 1, near, np.where(distances < 2, far, 0))
