"""Confidence intervals of an AUROC and of the difference of two on the same images, by DeLong's variance.

An AUROC is a mean over all pairs of an anomalous and a good image, of 1 where the anomalous one scores higher,
1/2 for a tie, 0 otherwise. The *placement* of an image is the mean of its own pairs. With m anomalous images of
placements V and n good ones of placements W, the variance of the AUROC is estimated by var(V) / m + var(W) / n,
and that of a difference of two AUROCs by the same of the differences of placements (DeLong, DeLong and
Clarke-Pearson 1988, Biometrics 44, 837-845; there the covariance matrices S10 and S01). A placement is the
image's rank among all images less its rank within its own class, ties at their mean rank, so that sorting takes the
place of the m n comparisons (Sun and Xu 2014, IEEE Signal Processing Letters 21, 1389-1393).

Images are taken to be drawn independently. The variance speaks of other test images and the same model; how
much a model differs when it is trained anew is another question.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, exp, log, sqrt
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy.special import expit, logit, ndtri

from twinspect.errors import ConfigError, DataError
from twinspect.metrics._checks import as_pair, check_level
from twinspect.metrics._steps import count_above
from twinspect.metrics.decisions import binomial_interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_NAN = float("nan")

Scale = Literal["logit", "plain"]
"""where the interval is symmetric: log(A / (1 - A)), or A itself"""


@dataclass(frozen=True)
class AurocInterval:
    """An AUROC and where the true one lies.

    Attributes:
        auroc: area under the ROC curve, in [0, 1].
        low: lower end of the interval, in [0, auroc].
        high: upper end of the interval, in [auroc, 1].
        standard_error: DeLong's, 0 or more; NaN with a single image in a class.
        method: ``logit`` or ``plain`` where DeLong's variance was used; ``binomial`` or ``hoeffding`` where it
            cannot be, see :func:`auroc_interval`; empty where the AUROC is not defined.
    """

    auroc: float = _NAN
    low: float = _NAN
    high: float = _NAN
    standard_error: float = _NAN
    method: str = ""


@dataclass(frozen=True)
class AurocComparison:
    """The difference of two AUROCs on the same images; all numbers NaN without good or anomalous images.

    Attributes:
        auroc_a: area under the ROC curve of method A, in [0, 1].
        auroc_b: area under the ROC curve of method B, in [0, 1].
        difference: ``auroc_a - auroc_b``, in [-1, 1].
        low: lower end of the interval of the difference, in [-1, 1].
        high: upper end of the interval of the difference, in [-1, 1].
        standard_error: DeLong's, of the difference, 0 or more; NaN with a single image in a class.
        p_value: two-sided, of the hypothesis that the true AUROCs are equal, in [0, 1].
        method: ``delong``; or ``hoeffding``, see :func:`compare_aurocs`; empty where nothing is defined.
    """

    auroc_a: float = _NAN
    auroc_b: float = _NAN
    difference: float = _NAN
    low: float = _NAN
    high: float = _NAN
    standard_error: float = _NAN
    p_value: float = _NAN
    method: str = ""


@dataclass(frozen=True)
class _Placements:
    """Placements as whole numbers of half pairs, so that equal ones are equal to the bit.

    Attributes:
        anomalous: (m,) int64, twice the good images below each anomalous one, a tie counting one.
        good: (n,) int64, twice the anomalous images above each good one, a tie counting one.
    """

    anomalous: NDArray[np.int64]
    good: NDArray[np.int64]

    def __sub__(self, other: _Placements) -> _Placements:
        return _Placements(self.anomalous - other.anomalous, self.good - other.good)

    @property
    def smallest_class(self) -> int:
        """Images in the smaller class: so many pairs share no image."""
        return min(self.anomalous.size, self.good.size)

    @property
    def mean(self) -> float:
        """The AUROC, or the difference of two."""
        return float(self.anomalous.sum() / (2 * self.anomalous.size * self.good.size))

    @property
    def standard_error(self) -> float:
        """DeLong's; exactly 0 where neither class shows a spread, NaN with a single image in a class."""
        if self.smallest_class < 2:
            return _NAN
        m, n = self.anomalous.size, self.good.size
        spread = np.var(self.anomalous / (2 * n), ddof=1) / m + np.var(self.good / (2 * m), ddof=1) / n
        return sqrt(spread) if np.ptp(self.anomalous) or np.ptp(self.good) else 0.0


def auroc_interval(
    labels: ArrayLike, scores: ArrayLike, level: float = 0.95, scale: Scale = "logit"
) -> AurocInterval:
    """Compute the AUROC with DeLong's standard error and a confidence interval, in O(N log N).

    On the ``logit`` scale the interval is symmetric in log(A / (1 - A)): it stays inside (0, 1) and leans towards
    1/2, as the true spread does. The ``plain`` one, A ± z standard errors, is cut off at 0 and 1 and covers too
    seldom near them. Both rest on the normal distribution and are approximate in small sets.

    Where DeLong's variance says nothing, the interval is a wider one that holds for any distribution:

    - an AUROC of exactly 1 (or 0) has no spread. Of k = min(m, n) pairs without a common image all k are in order,
      so the interval is the binomial (Clopper-Pearson) one of k in k, whose lower end is (alpha / 2)^(1 / k);
      it can be reached, when the smaller class is what varies.
    - all scores tied, or a single image in a class: A ± sqrt(log(2 / alpha) / (2 k)), cut to [0, 1], from
      Hoeffding's inequality for two-sample means over pairs (Hoeffding 1963, JASA 58, section 5). With a single
      image in a class that is all of [0, 1] at the usual levels.

    Args:
        labels: (N,) bool or 0/1; 1 is anomalous.
        scores: (N,) float32 or float64, finite, unbounded; higher is more anomalous.
        level: how often the interval shall contain the true AUROC, in (0, 1).
        scale: ``logit`` or ``plain``.

    Returns:
        The AUROC, both ends, the standard error and the method used; NaN when all labels are the same.

    Raises:
        ConfigError: a level or scale that is not allowed.
        DataError: as in :func:`twinspect.metrics.auroc`.

    >>> result = auroc_interval([0, 0, 0, 1, 1, 1], [1.0, 2.0, 4.0, 3.0, 5.0, 6.0])
    >>> round(result.low, 3), round(result.auroc, 3), round(result.high, 3)
    (0.261, 0.889, 0.995)
    """
    check_level(level)
    if scale not in get_args(Scale):
        raise ConfigError(f"scale={scale!r}; allowed: {' and '.join(get_args(Scale))}")
    placed = _placements(*as_pair(labels, scores))
    if not placed.smallest_class:
        return AurocInterval()
    auroc, error = placed.mean, placed.standard_error
    if auroc in (0, 1):
        ends, method = (
            binomial_interval(round(auroc) * placed.smallest_class, placed.smallest_class, level),
            "binomial",
        )
    elif error > 0:
        ends, method = _normal_ends(auroc, error, level, scale), scale
    else:
        reach = _hoeffding(1.0, placed.smallest_class, level)
        ends, method = (max(0.0, auroc - reach), min(1.0, auroc + reach)), "hoeffding"
    return AurocInterval(auroc, *ends, error, method)


def compare_aurocs(
    labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, level: float = 0.95
) -> AurocComparison:
    """Test whether two methods scored on the same images differ in AUROC (paired DeLong test), in O(N log N).

    Only the order of the images within each method counts, so scales need not agree. The interval is
    difference ± z standard errors, cut to [-1, 1], and the p-value that of z = difference / standard error under the
    normal distribution: both approximate in small sets.

    Where the standard error is 0 (both methods order the pairs alike, or neither has a spread) or a class
    holds a single image, both come from Hoeffding's inequality instead (1963, JASA 58, section 5), which holds
    for any distribution: with k images in the smaller class, difference ± sqrt(2 log(2 / alpha) / k), cut to
    [-1, 1], and p = min(1, 2 exp(-k difference^2 / 2)).

    Args:
        labels: (N,) bool or 0/1; 1 is anomalous.
        scores_a: (N,) float32 or float64, finite, unbounded; higher is more anomalous.
        scores_b: (N,) the other method's, of the same images in the same order.
        level: how often the interval shall contain the true difference, in (0, 1).

    Returns:
        Both AUROCs, A's less B's, its standard error, interval and p-value.

    Raises:
        ConfigError: the level is outside (0, 1).
        DataError: as in :func:`twinspect.metrics.auroc`.

    >>> result = compare_aurocs([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [4, 2, 5, 1, 3, 6])
    >>> round(result.difference, 3), round(result.standard_error, 3), round(result.p_value, 3)
    (0.444, 0.248, 0.074)
    """
    check_level(level)
    a, b = (_placements(*as_pair(labels, scores)) for scores in (scores_a, scores_b))
    if not a.smallest_class:
        return AurocComparison()
    gap = a - b
    difference, error = gap.mean, gap.standard_error
    if error > 0:
        reach, chance, method = _quantile(level) * error, erfc(abs(difference) / error / sqrt(2)), "delong"
    else:
        reach, method = _hoeffding(2.0, a.smallest_class, level), "hoeffding"
        chance = min(1.0, 2 * exp(-a.smallest_class * difference**2 / 2))
    low, high = max(-1.0, difference - reach), min(1.0, difference + reach)
    return AurocComparison(a.mean, b.mean, difference, low, high, error, chance, method)


def mean_interval(values: ArrayLike, lows: ArrayLike, highs: ArrayLike) -> tuple[float, float]:
    """Compute the interval of a mean of independent estimates from their own intervals.

    Each end is as far from the mean as the root of the summed squares of the single distances, divided by their
    number (Zou and Donner 2008, Statistics in Medicine 27, 1693-1702: variance recovered from the limits). It
    keeps the lean of the single intervals, and for one estimate gives its own back.

    Args:
        values: (C,) floats, the estimates, C of 1 or more.
        lows: (C,) floats, the lower end of each.
        highs: (C,) floats, the upper end of each, at the same level.

    Returns:
        Both ends, at the level of the single intervals.

    Raises:
        DataError: shapes that differ or are not (C,) with C of 1 or more.

    >>> mean_interval([0.75, 0.5], [0.5, 0.5], [0.75, 1.0])
    (0.5, 0.875)
    """
    value, low, high = (np.asarray(column, np.float64) for column in (values, lows, highs))
    if value.ndim != 1 or not value.size or not value.shape == low.shape == high.shape:
        raise DataError(
            f"values, lows and highs of shapes {value.shape}, {low.shape} and {high.shape}; allowed: (C,)"
        )
    down, up = np.linalg.norm(value - low), np.linalg.norm(high - value)
    return float(value.mean() - down / value.size), float(value.mean() + up / value.size)


def _placements(flags: NDArray[np.bool_], scores: NDArray[Any]) -> _Placements:
    good, anomalous = scores[~flags], scores[flags]
    above, upto = count_above(np.sort(good), anomalous)
    higher, not_lower = count_above(np.sort(anomalous), good)
    return _Placements(2 * good.size - above - upto, higher + not_lower)


def _normal_ends(auroc: float, error: float, level: float, scale: str) -> tuple[float, float]:
    reach = _quantile(level) * error
    if scale == "plain":
        return max(0.0, auroc - reach), min(1.0, auroc + reach)
    centre, reach = logit(auroc), reach / (auroc * (1 - auroc))
    return float(expit(centre - reach)), float(expit(centre + reach))


def _quantile(level: float) -> float:
    """Give z so that a standard normal variable lies within ± z as often as stated."""
    return float(ndtri((1 + level) / 2))


def _hoeffding(width: float, k: int, level: float) -> float:
    """Bound how far a mean over pairs, of values in a range of that width, is from its expectation."""
    return width * sqrt(log(2 / (1 - level)) / (2 * k))
