"""Drawing polygons and other shapes into a mask."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Points = Sequence[tuple[float, float]]

_LINE_WIDTH, _POINT_RADIUS = 10, 5
"""Pixels, as in LabelMe's own masks: a line or a point has no area of its own."""


def _covered(first: float, last: float) -> slice:
    """List the pixels of a row whose centres lie between two places; that in the middle if there is none."""
    start, stop = math.ceil(first - 0.5), math.ceil(last - 0.5)
    if stop <= start:
        start = math.floor((first + last) / 2)
    return slice(max(0, start), max(0, stop, start + 1))


class MaskCanvas:
    """A mask that shapes are drawn into, one over the other; what lies outside of the image is left out.

    Args:
        shape: (height, width) of the image.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        height, width = self._shape = shape
        self._filled = np.zeros(shape, dtype=np.bool_)
        self._image = Image.new("1", (width, height))
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Points) -> None:
        """Fill a polygon, its outline included."""
        self._draw.polygon(points, fill=1, outline=1)

    def polygon_area(self, points: Points, where: str) -> None:
        """Fill the pixels whose centres are inside a polygon, or its outline if it is too thin to hold any.

        A pixel's centre is half a pixel from its corner, so that areas are right on average.

        Args:
            points: its corners.
            where: what an error names.

        Raises:
            DataError: all of it lies outside of the image.
        """
        self._refuse_outside(points, where)
        # Imported here because it is slow to import and few data sets need it.
        from skimage.draw import polygon  # noqa: PLC0415

        columns, rows = (np.array(values) - 0.5 for values in zip(*points, strict=True))
        inside = polygon(rows, columns, self._shape)  # type: ignore[no-untyped-call]
        self._filled[inside] = True
        if not len(inside[0]):
            self.polygon(points)

    def box_area(self, first: tuple[float, float], second: tuple[float, float], where: str) -> None:
        """Fill the pixels whose centres are in a rectangle between two corners, or its middle if it is too thin.

        Raises:
            DataError: as for :meth:`polygon_area`.
        """
        self._refuse_outside((first, second), where)
        columns, rows = (_covered(*sorted(ends)) for ends in zip(first, second, strict=True))
        self._filled[rows, columns] = True

    def circle(self, centre: tuple[float, float], edge: tuple[float, float]) -> None:
        """Fill a circle around a point that goes through another."""
        self._disk(centre, math.dist(centre, edge))

    def line(self, points: Points) -> None:
        """Draw a line through points."""
        self._draw.line(points, fill=1, width=_LINE_WIDTH)

    def points(self, points: Points) -> None:
        """Draw points, each as a small disk."""
        for point in points:
            self._disk(point, _POINT_RADIUS)

    def marked(self) -> NDArray[np.bool_]:
        """Return what was drawn, (H, W) bool."""
        return self._filled | np.array(self._image, dtype=np.bool_)

    def _refuse_outside(self, points: Points, where: str) -> None:
        """Refuse what would be left out without a word: its coordinates are wrong, or those of another image."""
        height, width = self._shape
        for values, length in zip(zip(*points, strict=True), (width, height), strict=True):
            if max(values) < 0 or min(values) >= length:
                raise DataError(f"{where}: lies outside of its image, which is {width} x {height} pixels")

    def _disk(self, centre: tuple[float, float], radius: float) -> None:
        x, y = centre
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
