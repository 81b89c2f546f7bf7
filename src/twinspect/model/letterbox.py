"""Where an image lies that keeps its shape in an input of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


class Place(NamedTuple):
    """A rectangle in the middle of a larger one.

    Attributes:
        size: its height and width, in pixels.
        around: those of the larger one.
    """

    size: tuple[int, int]
    around: tuple[int, int]

    def pad(self, values: Tensor) -> Tensor:
        """Put (..., *size) in the middle of zeros: (..., *around)."""
        (top, left), (height, width) = self._corner, self.size
        rows, columns = self.around
        return F.pad(values, (left, columns - width - left, top, rows - height - top))

    def cut(self, values: Tensor) -> Tensor:
        """Cut the rectangle, (..., *size), out of (..., *around)."""
        (top, left), (height, width) = self._corner, self.size
        return values[..., top : top + height, left : left + width]

    @property
    def _corner(self) -> tuple[int, int]:
        """The first row and column; the half that is left over goes to the end."""
        # Graphs round a quotient towards zero: what is divided must not be negative, nor be rewritten as such.
        rows, columns = (
            whole - (whole + part + 1) // 2 for whole, part in zip(self.around, self.size, strict=True)
        )
        return rows, columns


def letterbox(height: int, width: int, around: tuple[int, int]) -> Place:
    """Place an image as large as it fits without a change of its shape, to whole pixels.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        around: height and width of the input.
    """
    # Rounded half up; no condition, so that a graph computes it for images of any size.
    size = (
        _within(around[0], (2 * around[1] * height + width) // (2 * width)),
        _within(around[1], (2 * around[0] * width + height) // (2 * height)),
    )
    return Place(size, around)


def _within(most: int, side: int) -> int:
    return cast("int", torch.sym_min(most, torch.sym_max(1, side)))
