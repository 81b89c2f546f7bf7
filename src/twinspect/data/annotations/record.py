"""What every format of annotations can be asked, and the checks that all share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from pathlib import Path, PurePath

    import numpy as np
    from numpy.typing import NDArray

MOST_PIXELS: Final = 2**28
"""Of an image that is known only by what its annotations state."""
FARTHEST: Final = 1e6
"""The largest coordinate in pixels that is drawn; no image that is read has longer sides."""


@dataclass(frozen=True)
class NotRead:
    """What is known of a file that gives no annotations.

    Attributes:
        reason: why it gives none.
        is_damaged: whether it may mark something all the same: it cannot be read, or not as its format asks.
    """

    reason: str
    is_damaged: bool


class Annotations(Protocol):
    """The marks in one file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def for_one_image(self) -> bool:
        """Whether the file is about the one image that is named like it."""

    def name_of(self, image: PurePath) -> str | None:
        """Return what the file calls an image; ``None`` if it does not know it."""

    def marked_images(self) -> AbstractSet[str]:
        """Return what the file calls the images of which it marks any pixels."""

    def labels_of(self, image: PurePath) -> AbstractSet[str]:
        """Return the labels, or names of the categories, of an image's marks; without those that have none."""

    def labelled(self, keep: Callable[[str], bool]) -> Annotations:
        """Return only the marks whose label, or category, is to be kept."""

    def only_image(self) -> tuple[PurePath, tuple[int, int]]:
        """Return the name of the only image that the file is about, and its (height, width).

        Raises:
            DataError: it is about several, or does not state the size.
        """

    def draw(self, image: PurePath, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Draw which pixels of an image are marked.

        Args:
            image: path of the image.
            shape: its (height, width), upright.

        Returns:
            (H, W) bool.

        Raises:
            DataError: the marks are damaged or for an image of another size.
        """


def number_of(value: object) -> float:
    """Return a number as a float.

    Raises:
        TypeError: it is a text, a truth value or no number.
        OverflowError: it is too large.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def check_size(where: str, width: object, height: object, shape: tuple[int, int]) -> None:
    """Refuse annotations of an image of another size; a size that is not stated is not checked.

    Raises:
        DataError: the sizes differ.
    """
    if width is None or height is None or (height, width) == shape:
        return
    sizes = f"is for an image of {width} x {height} pixels, but it is {shape[1]} x {shape[0]}"
    raise DataError(f"{where}: {sizes}; both must be the same size (width x height, upright)")


def stated_size(where: str, width: object, height: object) -> tuple[int, int]:
    """Return the (height, width) that annotations state for their image.

    Raises:
        DataError: they state none, or one that is too large to draw on.
    """
    if type(width) is int and type(height) is int and 0 < width <= FARTHEST and 0 < height <= FARTHEST:
        if width * height > MOST_PIXELS:
            raise DataError(
                f"{where}: states an image of {width}x{height} pixels; allowed are {MOST_PIXELS} in all"
            )
        return height, width
    raise DataError(f"{where}: does not say how large its image is; expected a width and a height in pixels")


def points_of(values: Any, where: str) -> list[tuple[float, float]]:
    """Check a list of (x, y) pairs.

    Raises:
        DataError: it is something else, or holds numbers that no image has.
    """
    try:
        points = [(number_of(x), number_of(y)) for x, y in values]
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: its points are not a list of pairs of numbers [x, y]") from None
    if not all(math.isfinite(value) and abs(value) <= FARTHEST for point in points for value in point):
        raise DataError(f"{where}: has a coordinate that is not a number of pixels, up to {FARTHEST:,.0f}")
    return points
