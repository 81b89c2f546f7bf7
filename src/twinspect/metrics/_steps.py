"""The one view of scores that every ranking metric is computed from.

As the threshold falls, the share of good pixels at or above it (false-positive rate) and the share of
anomalous ones grow. Seen from one anomalous pixel, all that matters is how many good and how many anomalous
pixels stand strictly above it, and how many at or above it. A :class:`Steps` holds these four counts for many
anomalous pixels, or for many bins of them: AUROC, AP and AUPRO are weighted means over its rows, taken in any
order and in as many pieces as memory asks for. "Pixels" are images when image scores are ranked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLOCK = 2**18
"""rows worked on at once: large enough for NumPy's pace, small enough that temporaries stay near 30 MB"""


@dataclass(frozen=True)
class Steps:
    """The steps that the curves take at anomalous pixels; one row a pixel, or a bin of pixels.

    Attributes:
        threshold: (K,) float, ascending; a threshold that lets the whole row, and no lower one, pass.
        good_above: (K,) int64, good pixels that score above the row.
        good_upto: (K,) int64, good pixels at or above the threshold.
        anomalous_above: (K,) int64, anomalous pixels that score above the row.
        anomalous_upto: (K,) int64, anomalous pixels at or above the threshold.
        count: (K,) int64, anomalous pixels that the row speaks for: 1, or those of the bin.
        weight: (K,) float64, the sum of 1 / (area of the region) over those pixels.
        n_good: good pixels in all, 1 or more.
        n_anomalous: anomalous pixels in all, 1 or more.
    """

    threshold: NDArray[Any]
    good_above: NDArray[np.int64]
    good_upto: NDArray[np.int64]
    anomalous_above: NDArray[np.int64]
    anomalous_upto: NDArray[np.int64]
    count: NDArray[np.int64]
    weight: NDArray[np.float64]
    n_good: int
    n_anomalous: int

    @property
    def fpr_above(self) -> NDArray[np.float64]:
        """(K,) false-positive rate just before the step."""
        return np.asarray(self.good_above / self.n_good)

    @property
    def fpr_upto(self) -> NDArray[np.float64]:
        """(K,) false-positive rate just after the step."""
        return np.asarray(self.good_upto / self.n_good)


def count_above(
    ascending: NDArray[Any], queries: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the values strictly above, and at or above, each query.

    Args:
        ascending: (N,) sorted.
        queries: (K,) of the same dtype; ascending ones are found several times faster.

    Returns:
        Two (K,) arrays. -0.0 and 0.0 are equal.

    >>> count_above(np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0]))
    (array([1]), array([3]))
    """
    above = ascending.size - np.searchsorted(ascending, queries, side="right")
    upto = ascending.size - np.searchsorted(ascending, queries, side="left")
    return above, upto


def steps_of(
    good: NDArray[Any], anomalous: NDArray[Any], queries: NDArray[Any], weight: NDArray[np.float64]
) -> Steps:
    """Count what stands above some of the anomalous pixels.

    Args:
        good: (N,) ascending scores of all good pixels.
        anomalous: (P,) ascending scores of all anomalous pixels.
        queries: (K,) ascending, the scores of K of the anomalous pixels.
        weight: (K,) 1 / area of each one's region.
    """
    return Steps(
        queries,
        *count_above(good, queries),
        *count_above(anomalous, queries),
        count=np.ones(queries.size, np.int64),
        weight=weight,
        n_good=good.size,
        n_anomalous=anomalous.size,
    )


def blocks(size: int) -> Iterator[slice]:
    """Cut ``range(size)`` into slices of at most :data:`BLOCK`."""
    for start in range(0, size, BLOCK):
        yield slice(start, start + BLOCK)


def joined(
    good: NDArray[Any], anomalous: NDArray[Any], scores: NDArray[Any], areas: NDArray[Any], most: int = 2**16
) -> Steps:
    """Count what stands above groups of anomalous pixels that are neighbours in score.

    Up to ``most`` pixels a group is one distinct score; more are joined in groups of equal number. The ends
    of each step are exact: only how the curve goes inside a group is forgotten.

    Args:
        good: (N,) ascending scores of all good pixels.
        anomalous: (P,) ascending scores of all anomalous pixels.
        scores: (P,) the same scores in the order of ``areas``.
        areas: (P,) area of each one's region.
        most: the most rows wanted.
    """
    rows = min(anomalous.size, most)
    lowest = np.unique(anomalous[np.arange(rows) * anomalous.size // rows])
    highest = anomalous[np.r_[np.searchsorted(anomalous, lowest[1:]), anomalous.size] - 1]
    weight = np.zeros(lowest.size)
    for block in blocks(scores.size):
        group = np.searchsorted(lowest, scores[block], side="right") - 1
        weight += np.bincount(group, 1 / areas[block], minlength=lowest.size)
    above, upto = count_above(anomalous, highest)[0], count_above(anomalous, lowest)[1]
    return Steps(
        lowest,
        good_above=count_above(good, highest)[0],
        good_upto=count_above(good, lowest)[1],
        anomalous_above=above,
        anomalous_upto=upto,
        count=upto - above,
        weight=weight,
        n_good=good.size,
        n_anomalous=anomalous.size,
    )


def area(rows: Steps, limit: float) -> NDArray[np.float64]:
    """Area that each row adds under its curve up to a false-positive rate, as a share of the most it could.

    A pixel of weight w lifts the curve by w along the straight piece from ``fpr_above`` to ``fpr_upto`` and
    keeps it lifted to the limit: this is the trapezoid rule over every distinct threshold, with linear
    interpolation at the limit, summed by pixels instead of thresholds.

    Returns:
        (3, K) in [0, 1]: the least that any order of scores inside the row could give, the value when they
        are equal, the most. The weighted mean over all rows is the AUROC (``count``, limit 1) or AUPRO
        (``weight``).
    """
    start, end = rows.fpr_above, rows.fpr_upto
    most, least = np.maximum(limit - start, 0), np.maximum(limit - end, 0)
    # The share of the rise that happens before the limit; a rise of no width happens at once.
    inside = np.divide(most, end - start, out=np.ones_like(most), where=end - start > most)
    return np.stack([least, (most + least) / 2 * inside, most]) / limit


def precision(rows: Steps) -> NDArray[np.float64]:
    """Precision at each row's pixels; its mean weighted by ``count`` is the average precision.

    Returns:
        (3, K) in [0, 1]: a lower bound over all orders of scores inside the row, the value when they are
        equal, an upper bound.
    """
    value = rows.anomalous_upto / (rows.anomalous_upto + rows.good_upto)
    highest = rows.anomalous_upto / (rows.anomalous_upto + rows.good_above)
    return np.stack([np.minimum(_lowest_precision(rows), value), value, highest])


def _lowest_precision(rows: Steps) -> NDArray[np.float64]:
    """Bound from below the mean precision of a row whose good pixels come first, its anomalous ones singly.

    That is the mean of f(x) = x / (x + F) over x = T+1 .. T+a. As f is concave, the mean is not below that of
    the two ends, which is the same for a = 1 and 2, nor below the mean of the integral from T + 1/2 to
    T + a + 1/2, which is close for large a.
    """
    false = rows.good_upto.astype(np.float64)
    first = (rows.anomalous_above + 1) / (rows.anomalous_above + 1 + false)
    last = rows.anomalous_upto / (rows.anomalous_upto + false)
    before = rows.anomalous_above + false + 0.5
    integral = 1 - false * np.log1p(rows.count / before) / rows.count
    return np.asarray(np.maximum((first + last) / 2, integral))


def best_f1(rows: Steps) -> tuple[float, float]:
    """Find the row with the highest F1 = 2 TP / (TP + FP + P).

    Returns:
        The F1 and the threshold that reaches it under ``score >= threshold``; of equal F1 the highest
        threshold. A threshold at a good pixel's score cannot be better: it adds only false positives.
    """
    f1 = 2 * rows.anomalous_upto / (rows.anomalous_upto + rows.good_upto + rows.n_anomalous)
    best = f1.max()
    # Adding 0.0 turns a threshold of -0.0 into 0.0.
    return float(best), float(rows.threshold[f1 == best].max()) + 0.0


def highest_f1(rows: Steps) -> float:
    """Bound from above the F1 that a threshold inside some row could reach."""
    return float((2 * rows.anomalous_upto / (rows.anomalous_upto + rows.good_above + rows.n_anomalous)).max())


class WeightedMean:
    """A weighted mean of values that come in pieces.

    >>> mean = WeightedMean()
    >>> mean.add(np.array([1.0, 0.0]), np.array([3, 1]))
    >>> float(mean.value)
    0.75
    """

    def __init__(self) -> None:
        self._sum: Any = 0.0
        self._weight = 0.0

    def add(self, values: NDArray[np.float64], weights: NDArray[Any]) -> None:
        """Add values (..., K) with weights (K,)."""
        self._sum = self._sum + (values * weights).sum(axis=-1)
        self._weight += float(weights.sum())

    @property
    def value(self) -> Any:
        """The mean so far, of the shape of the values without their last axis."""
        return self._sum / self._weight

    @property
    def reach(self) -> float:
        """Distance from the value to the further of the two ends of its range, for values (3, K)."""
        lowest, value, highest = self.value
        return float(max(value - lowest, highest - value))
