"""Metrics of one column of scores against one column of labels: AUROC, average precision, best F1.

Scores are only ever compared with each other, so any strictly rising transformation that keeps them apart
leaves AUROC and AP as they are; nothing is rescaled, clamped or rounded. Each metric needs good and anomalous
scores: where one of the two is missing it is not defined and comes back as NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.metrics._checks import as_pair
from twinspect.metrics._curves import NO_CURVE, Curve, check_points, corners, thin
from twinspect.metrics._steps import WeightedMean, area, best_f1, blocks, joined, precision, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from twinspect.metrics._steps import Steps


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Compute the area under the ROC curve.

    It is the chance that an anomalous score is above a good one, both drawn at random, with a tie counting
    one half: no thresholds are chosen, so the value is exact.

    Args:
        labels: (N,) bool or 0/1; 1 is anomalous.
        scores: (N,) float32 or float64, finite, unbounded; higher is more anomalous.

    Returns:
        A value in [0, 1], or NaN when all labels are the same.

    Raises:
        DataError: labels other than 0/1, scores that are NaN or infinite, no scores, unequal lengths.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    mean = WeightedMean()
    good, anomalous = _split(labels, scores)
    if not (good.size and anomalous.size):
        return float("nan")
    for rows in _steps(good, anomalous):
        mean.add(area(rows, 1.0)[1], rows.count)
    return float(mean.value)


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Compute the average precision.

    The sum over distinct thresholds, from high to low, of the precision there times the gain in recall:
    a sum of steps without interpolation, as in ``sklearn.metrics.average_precision_score``.

    Args:
        labels: (N,) bool or 0/1; 1 is anomalous.
        scores: (N,) float32 or float64, finite, unbounded; higher is more anomalous.

    Returns:
        A value in (0, 1], or NaN when all labels are the same.

    Raises:
        DataError: as in :func:`auroc`.

    >>> average_precision([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8])  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    mean = WeightedMean()
    good, anomalous = _split(labels, scores)
    if not (good.size and anomalous.size):
        return float("nan")
    for rows in _steps(good, anomalous):
        mean.add(precision(rows)[1], rows.count)
    return float(mean.value)


def f1_max(labels: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """Find the highest F1 that any threshold reaches.

    The threshold is chosen on the very labels it is judged by, so the value is optimistic: report it beside,
    and never instead of, the error rates at a threshold chosen beforehand.

    Args:
        labels: (N,) bool or 0/1; 1 is anomalous.
        scores: (N,) float32 or float64, finite, unbounded; higher is more anomalous.

    Returns:
        The F1 in (0, 1], and the threshold that reaches it: one of the anomalous scores, to be used as
        ``score >= threshold``; where several reach it, the highest. (NaN, NaN) when all labels are the same.

    Raises:
        DataError: as in :func:`auroc`.

    >>> f1_max([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8])
    (0.8, 0.4)
    """
    good, anomalous = _split(labels, scores)
    if not (good.size and anomalous.size):
        return float("nan"), float("nan")
    return max(best_f1(rows) for rows in _steps(good, anomalous))


def roc_curve(labels: ArrayLike, scores: ArrayLike, points: int = 500) -> Curve:
    """Give the ROC curve as a polyline to draw.

    Args:
        labels: (N,) bool or 0/1; 1 is anomalous.
        scores: (N,) float32 or float64, finite, unbounded; higher is more anomalous.
        points: the most vertices to return, at least 4. Every vertex is one of the exact curve's; with the
            default no dropped one is further than 0.003 from the drawn line.

    Returns:
        False-positive rate ``x`` and true-positive rate ``y``, from (0, 0) to (1, 1); both empty when all
        labels are the same.

    Raises:
        ConfigError: fewer than 4 points.
        DataError: as in :func:`auroc`.

    >>> roc_curve([0, 1], [0.0, 1.0])
    Curve(x=array([0., 0., 1.]), y=array([0., 1., 1.]))
    """
    check_points(points)
    good, anomalous = _split(labels, scores)
    if not (good.size and anomalous.size):
        return NO_CURVE
    rows = joined(good, anomalous, anomalous, np.ones(anomalous.size))
    return thin(corners(rows, rows.count), points)


def _split(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the good and the anomalous scores, each ascending."""
    flags, values = as_pair(labels, scores)
    return np.sort(values[~flags]), np.sort(values[flags])


def _steps(good: NDArray[Any], anomalous: NDArray[Any]) -> Iterator[Steps]:
    for block in blocks(anomalous.size):
        queries = anomalous[block]
        yield steps_of(good, anomalous, queries, np.ones(queries.size))
