"""Confidence interval of the difference of two methods, for any metric: the paired bootstrap over images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import ConfigError
from twinspect.metrics._checks import as_pair, check_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Metric = Callable[[NDArray[np.bool_], NDArray[Any]], float]

_NAN = float("nan")


@dataclass(frozen=True)
class PairedBootstrap:
    """The difference of a metric between two methods; all NaN without good or anomalous images.

    Attributes:
        difference: the metric of A less that of B, on the images as they are.
        low: lower end of the interval of the difference: a percentile of the draws.
        high: upper end.
        standard_error: standard deviation of the draws.
        p_value: two-sided, in (0, 1]: twice the smaller share of draws on either side of no difference, the
            observed one counted among them, so never below 2 / (draws + 1).
        draws: how often images were drawn anew; 0 where the difference is not defined.
    """

    difference: float = _NAN
    low: float = _NAN
    high: float = _NAN
    standard_error: float = _NAN
    p_value: float = _NAN
    draws: int = 0


def paired_bootstrap(
    metric: Metric,
    labels: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    seed: int = 0,
    draws: int = 2000,
    level: float = 0.95,
) -> PairedBootstrap:
    """Draw test images anew, the same for both methods, and watch the difference of a metric.

    Good images are drawn among the good ones and anomalous among the anomalous ones, with replacement, so both
    numbers stay what they are. The interval is the percentile interval (Efron and Tibshirani 1993, An Introduction
    to the Bootstrap, section 13.3). It is approximate; a drawn image ties with its copies, and with few images in
    a class it is too narrow. For the AUROC, :func:`twinspect.metrics.compare_aurocs` is faster and draws nothing.

    Args:
        metric: from (N,) bool labels and (N,) scores to a number, such as ``average_precision``, or
            ``lambda labels, scores: f1_max(labels, scores)[0]``.
        labels: (N,) bool or 0/1; 1 is anomalous.
        scores_a: (N,) float32 or float64, finite; higher is more anomalous.
        scores_b: (N,) the other method's, of the same images in the same order.
        seed: the same seed gives the same numbers to the bit.
        draws: 1 or more; the ends of the interval are steady from about 1000 on.
        level: share of the draws inside the interval, in (0, 1).

    Returns:
        The difference, its interval, standard error and p-value. Where two methods give equal values on every draw
        the interval has no width: the draws then say nothing of other images.

    Raises:
        ConfigError: fewer than 1 draw, or a level outside (0, 1).
        DataError: as in :func:`twinspect.metrics.auroc`.

    >>> from twinspect.metrics import auroc
    >>> labels, a, b = [0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [4, 2, 5, 1, 3, 6]
    >>> result = paired_bootstrap(auroc, labels, a, b, draws=200)
    >>> round(result.difference, 3), result.draws
    (0.444, 200)
    """
    check_level(level)
    if draws < 1:
        raise ConfigError(f"draws={draws!r}; allowed: 1 or more, usually 1000 to 10000")
    (flags, a), (_, b) = as_pair(labels, scores_a), as_pair(labels, scores_b)
    if flags.all() or not flags.any():
        return PairedBootstrap()
    classes, rng = (np.flatnonzero(~flags), np.flatnonzero(flags)), np.random.default_rng(seed)

    def difference(chosen: NDArray[np.intp]) -> float:
        return metric(flags[chosen], a[chosen]) - metric(flags[chosen], b[chosen])

    drawn = np.array(
        [
            difference(np.concatenate([rng.choice(members, members.size) for members in classes]))
            for _ in range(draws)
        ]
    )
    return _summary(difference(np.arange(flags.size)), drawn, level)


def _summary(difference: float, drawn: NDArray[np.float64], level: float) -> PairedBootstrap:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    rarer = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    chance = min(1.0, 2 * (rarer + 1) / (drawn.size + 1))
    return PairedBootstrap(difference, float(low), float(high), float(drawn.std()), chance, drawn.size)
