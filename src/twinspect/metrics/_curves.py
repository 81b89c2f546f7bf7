"""Curves for plots, reduced to as many vertices as a drawing needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.metrics._steps import Steps


class Curve(NamedTuple):
    """A polyline to draw; no points at all where the curve is not defined.

    Attributes:
        x: (K,) float64 in [0, 1], never falling: false-positive rate.
        y: (K,) float64 in [0, 1], never falling: true-positive rate (ROC) or per-region overlap (PRO).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]


NO_CURVE = Curve(np.empty(0), np.empty(0))


def check_points(points: int) -> None:
    """Refuse a number of vertices that cannot draw a curve.

    Raises:
        ConfigError: fewer than 4 points.
    """
    if points < 4:
        raise ConfigError(f"points={points!r}; allowed: 4 or more, usually 500")


def corners(rows: Steps, weight: NDArray[Any]) -> Curve:
    """Return every corner of a curve from (0, 0) to (1, 1).

    Args:
        rows: all steps in one piece, no two of the same threshold.
        weight: (K,) what each row lifts the curve by: ``rows.count`` for ROC, ``rows.weight`` for PRO.
    """
    rise = weight[::-1]  # from here on the threshold falls
    top = np.cumsum(rise) / rise.sum()
    x = np.column_stack([rows.fpr_above[::-1], rows.fpr_upto[::-1]]).ravel()
    y = np.column_stack([np.r_[0.0, top[:-1]], top]).ravel()
    return _corners_only(Curve(np.r_[0.0, x, 1.0], np.r_[0.0, np.minimum(y, 1.0), 1.0]))


def _corners_only(curve: Curve) -> Curve:
    """Drop repeated vertices, then those inside level and upright pieces."""
    moves = np.r_[True, (np.diff(curve.x) > 0) | (np.diff(curve.y) > 0)]
    curve = Curve(curve.x[moves], curve.y[moves])
    level, upright = np.diff(curve.y) == 0, np.diff(curve.x) == 0
    inside = (level[1:] & level[:-1]) | (upright[1:] & upright[:-1])
    keep = np.r_[True, ~inside, True]
    return Curve(curve.x[keep], curve.y[keep])


def truncate(curve: Curve, limit: float) -> Curve:
    """End a curve at a false-positive rate, by linear interpolation."""
    stop = int(np.searchsorted(curve.x, limit, side="right"))
    if stop == curve.x.size:
        return curve
    (x0, x1), (y0, y1) = curve.x[stop - 1 : stop + 1], curve.y[stop - 1 : stop + 1]
    y = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
    return Curve(np.r_[curve.x[:stop], limit], np.r_[curve.y[:stop], y])


def thin(curve: Curve, points: int) -> Curve:
    """Keep at most ``points`` vertices, all of them true ones, both ends among them.

    The way along the curve, counted as width plus height, is cut into ``points // 2`` equal cells, and the
    first and last vertex in each are kept. What is dropped lies, with the line drawn instead, in a box whose
    width and height add up to one cell: with 500 points on a full curve at most 0.003 from the line.
    """
    if curve.x.size <= points:
        return curve
    way = curve.x + curve.y
    cells = points // 2
    cell = np.minimum((way - way[0]) / (way[-1] - way[0]) * cells, cells - 1).astype(np.int64)
    changes = np.diff(cell) != 0
    keep = np.r_[True, changes] | np.r_[changes, True]
    return Curve(curve.x[keep], curve.y[keep])
