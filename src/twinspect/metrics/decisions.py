"""Error rates of decisions on images, and their confidence interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.errors import ConfigError, DataError
from twinspect.metrics._checks import as_booleans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def false_alarm_rate(labels: ArrayLike, is_anomalous: ArrayLike) -> float:
    """Compute the share of good images that were called anomalous.

    Args:
        labels: (N,) bool or 0/1, the truth; 1 is anomalous.
        is_anomalous: (N,) bool or 0/1, the decisions.

    Returns:
        A value in [0, 1], or NaN without good images.

    Raises:
        DataError: values other than 0/1, or unequal lengths.

    >>> false_alarm_rate([0, 0, 0, 0, 1], [0, 1, 0, 0, 1])
    0.25
    """
    truth, called = _pair(labels, is_anomalous)
    return _share(called[~truth])


def miss_rate(labels: ArrayLike, is_anomalous: ArrayLike) -> float:
    """Compute the share of anomalous images that were called good.

    Args:
        labels: (N,) bool or 0/1, the truth; 1 is anomalous.
        is_anomalous: (N,) bool or 0/1, the decisions.

    Returns:
        A value in [0, 1], or NaN without anomalous images.

    Raises:
        DataError: values other than 0/1, or unequal lengths.

    >>> miss_rate([0, 0, 1, 1], [0, 1, 0, 1])
    0.5
    """
    truth, called = _pair(labels, is_anomalous)
    return _share(~called[truth])


def binomial_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the exact (Clopper-Pearson) confidence interval of a rate.

    It contains the true rate at least as often as ``confidence`` says, for every rate and every n.

    Args:
        k: how many of the images were flagged, 0 to n.
        n: how many images there were, 1 or more.
        confidence: in (0, 1).

    Returns:
        Both ends, in [0, 1].

    Raises:
        ConfigError: a number outside its range.

    >>> low, high = binomial_interval(0, 100)
    >>> low, round(high, 4)
    (0.0, 0.0362)
    """
    if n < 1 or not 0 <= k <= n:
        raise ConfigError(f"k={k!r} of n={n!r}; allowed: n of 1 or more, and k from 0 to n")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence={confidence!r}; allowed: between 0 and 1, usually 0.95")
    from scipy.stats import binomtest  # noqa: PLC0415 - slow to import

    interval = binomtest(k, n).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def _pair(labels: ArrayLike, is_anomalous: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    truth, called = as_booleans(labels, "labels"), as_booleans(is_anomalous, "is_anomalous")
    if truth.ndim != 1 or truth.shape != called.shape:
        raise DataError(
            f"labels of shape {truth.shape} came with decisions of shape {called.shape}; allowed: two 1-D "
            "arrays of the same length, one entry an image"
        )
    return truth, called


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else float("nan")
