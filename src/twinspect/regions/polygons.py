"""Polygons in relative coordinates: checked, and drawn on a fine grid that fits images of any size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.data.annotations.record import number_of
from twinspect.data.annotations.shapes import MaskCanvas
from twinspect.errors import DataError
from twinspect.regions.areas import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = list[tuple[float, float]]

GRID: Final = 2048
"""Cells of the grid along each side of an image."""
LOOK, IGNORE = "look", "ignore"
"""Names of the lists of polygons in a file."""
MOST_POINTS: Final = 2000
"""Of a polygon: all pairs of its sides are compared."""
_EXPECTED: Final = (
    'expected {"look": [polygon, ...], "ignore": [polygon, ...]}, one of them or both; a polygon is a list of three '
    "or more points [x, y] from 0 to 1, from the left and from the top"
)


def is_polygons(record: object) -> bool:
    """Whether the content of a JSON file is of this format."""
    return isinstance(record, dict) and (LOOK in record or IGNORE in record)


def region_of_polygons(record: dict[str, Any], where: str) -> Region:
    """Draw what is looked at: the polygons of ``look``, or everything without it, less those of ``ignore``.

    Args:
        record: content of the file.
        where: begins the message of an error.

    Raises:
        DataError: a polygon is none, lies outside of the image or crosses itself, or nothing is left to look at.
    """
    if unknown := record.keys() - {LOOK, IGNORE}:
        raise DataError(f"{where}: holds {min(unknown)!r}, which means nothing here; {_EXPECTED}")
    drawn = {name: _drawn(record[name], f"{where}, {name}") for name in (LOOK, IGNORE) if name in record}
    look, ignored = drawn.get(LOOK), drawn.get(IGNORE)
    mask = np.ones((GRID, GRID), dtype=np.bool_) if look is None else look
    try:
        return Region(mask if ignored is None else mask & ~ignored, any_size=True)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _drawn(polygons: Any, where: str) -> NDArray[np.bool_]:
    if not isinstance(polygons, list):
        raise DataError(f"{where}: is no list of polygons; {_EXPECTED}")
    canvas = MaskCanvas((GRID, GRID))
    for number, values in enumerate(polygons, start=1):
        points = _points(values, f"{where}, polygon {number}")
        canvas.polygon([(x * GRID - 0.5, y * GRID - 0.5) for x, y in points])
    return canvas.marked()


def _points(values: Any, where: str) -> Points:
    """Check one polygon; a last point that repeats the first is left out."""
    try:
        points = [(number_of(x), number_of(y)) for x, y in values]
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: is no list of points [x, y]; {_EXPECTED}") from None
    if points[:1] == points[-1:]:
        del points[-1:]
    if not 3 <= len(points) <= MOST_POINTS:
        raise DataError(f"{where}: has {len(points)} points; allowed are 3 to {MOST_POINTS}")
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y) and 0 <= x <= 1 and 0 <= y <= 1):
            raise DataError(
                f"{where}: the point [{x:g}, {y:g}] lies outside of the image; coordinates are shares of its width "
                "and height, from 0 to 1"
            )
    if crossing := first_crossing(points):
        raise DataError(
            f"{where}: its sides {crossing[0]} and {crossing[1]} cross; a polygon must not cross itself"
        )
    if are_on_one_line(points):
        raise DataError(f"{where}: its points lie on one line; a polygon must enclose an area")
    return points


def are_on_one_line(points: Points) -> bool:
    """Whether points lie on one line, but for rounding."""
    offsets = np.array(points) - points[0]
    return bool(np.linalg.matrix_rank(offsets, tol=1e-9) < 2)


def first_crossing(points: Points) -> tuple[int, int] | None:
    """Find two sides of a polygon that cross, by number from 1; ``None`` if none do. Touching is no crossing."""
    starts = np.array(points)
    ends = np.roll(starts, -1, axis=0)
    # On which side of each line the two ends of every other side lie.
    first, second = _turns(starts, ends, starts), _turns(starts, ends, ends)
    divided = first * second < 0
    crossing = np.argwhere(np.triu(divided & divided.T, k=1))
    return (int(crossing[0][0]) + 1, int(crossing[0][1]) + 1) if len(crossing) else None


def _turns(
    starts: NDArray[np.float64], ends: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the signs of the triangles of each line and each point, (lines, points)."""
    along = (ends - starts)[:, None]
    to_points = points[None] - starts[:, None]
    return np.sign(along[..., 0] * to_points[..., 1] - along[..., 1] * to_points[..., 0])
