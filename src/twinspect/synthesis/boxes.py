"""Rectangles inside an image: where a patch is cut out and where it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Box(NamedTuple):
    """A rectangle of pixels that lies inside its image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns, as an index."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def box_around(place: tuple[int, int], size: tuple[int, int], shape: tuple[int, int]) -> Box:
    """Put a box around a place, or as near as the image lets it.

    Args:
        place: row and column of its middle.
        size: height and width; more than the image has is cut down to it.
        shape: height and width of the image.
    """
    (top, height), (left, width) = (
        (min(max(middle - min(length, whole) // 2, 0), whole - min(length, whole)), min(length, whole))
        for middle, length, whole in zip(place, size, shape, strict=True)
    )
    return Box(top, left, height, width)


def place_in(mask: NDArray[np.bool_], random: np.random.Generator) -> tuple[int, int]:
    """Choose a row and column where a mask is True; it must not be empty."""
    chosen = random.choice(np.flatnonzero(mask))
    row, column = divmod(int(chosen), mask.shape[1])
    return row, column
