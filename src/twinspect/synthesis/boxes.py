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


def box_around(centre: tuple[int, int], size: tuple[int, int], shape: tuple[int, int]) -> Box:
    """Put a box around a pixel, moved as far as needed to lie inside the image.

    Args:
        centre: row and column of its middle.
        size: height and width, cut down to the image's.
        shape: height and width of the image.
    """
    (top, height), (left, width) = (
        (min(max(middle - min(length, whole) // 2, 0), whole - min(length, whole)), min(length, whole))
        for middle, length, whole in zip(centre, size, shape, strict=True)
    )
    return Box(top, left, height, width)


def random_pixel(mask: NDArray[np.bool_], random: np.random.Generator) -> tuple[int, int]:
    """Draw the row and column of a pixel where a mask is True; it must not be empty."""
    index = random.choice(np.flatnonzero(mask))
    row, column = divmod(int(index), mask.shape[1])
    return row, column
