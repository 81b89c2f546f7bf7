"""Rates with their intervals, and how a report writes numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.metrics import binomial_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore


@dataclass(frozen=True)
class Rate:
    """How many of some images were flagged as anomalous.

    Attributes:
        flagged: how many were.
        images: how many there are.
    """

    flagged: int
    images: int

    @property
    def share(self) -> float:
        """The rate, in [0, 1]; NaN without images."""
        return self.flagged / self.images if self.images else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the exact (Clopper-Pearson) 95 % interval; all rates without images."""
        return binomial_interval(self.flagged, self.images) if self.images else (0.0, 1.0)

    def complement(self) -> Rate:
        """Count the images that were not flagged instead."""
        return Rate(self.images - self.flagged, self.images)

    def describe(self) -> str:
        """Write count, rate and interval.

        >>> print(Rate(1, 14).describe().replace(chr(160), " "))
        1 of 14 (7.14 %; 95 % interval 0.181 % to 33.9 %)
        """
        if not self.images:
            return "none of 0"
        low, high = map(percent, self.interval)
        interval = f"{percent(0.95)} interval {low} to {high}"
        return f"{self.flagged} of {self.images} ({percent(self.share)}; {interval})"


def false_alarms(rows: Iterable[ImageScore]) -> Rate:
    """Count the good images that were decided on, and those of them that were flagged."""
    return _rate(row for row in rows if row.sample.is_good)


def detections(rows: Iterable[ImageScore]) -> Rate:
    """Count the anomalous images that were decided on, and those of them that were flagged."""
    return _rate(row for row in rows if not row.sample.is_good)


def _rate(rows: Iterable[ImageScore]) -> Rate:
    flags = [row.is_anomalous for row in rows if row.is_inspectable]
    return Rate(sum(flags), len(flags))


def calibration_spread(calibration: Calibration) -> tuple[float, float]:
    """Compute how far the true rate of one threshold may lie from the promised one.

    A split-conformal bound holds on average over the draw of held-out images. The rate of the threshold that
    one draw gave is itself random: with continuous scores it follows the Beta(k, n + 1 - k) distribution,
    where the threshold is the k-th highest of n scores (Vovk 2012, "Conditional validity of inductive
    conformal predictors").

    Returns:
        Both ends of the central 95 % of that distribution.
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - only a report needs it

    a, b = _beta(calibration)
    return float(betaincinv(a, b, 0.025)), float(betaincinv(a, b, 0.975))


def chance_of_as_many(calibration: Calibration, rate: Rate) -> float:
    """Compute how often good images like the held-out ones give at least as many false alarms.

    Both the draw of held-out images and that of test images count: the number of false alarms follows the
    beta-binomial distribution with the parameters of :func:`calibration_spread`.

    Args:
        calibration: the held-out scores and the promise.
        rate: the good test images, or parts if these are what is promised, and how many of them were flagged.
    """
    from scipy.stats import betabinom  # noqa: PLC0415 - only a report needs it

    return float(betabinom.sf(rate.flagged - 1, rate.images, *_beta(calibration)))


def _beta(calibration: Calibration) -> tuple[int, int]:
    n = len(calibration.part_scores)
    k = sum(score >= calibration.threshold for score in calibration.part_scores)
    return k, n + 1 - k


def times_threshold(score: float, threshold: float) -> str:
    """Set a raw score beside its threshold; a ratio means nothing where the threshold is not positive.

    >>> times_threshold(3.2, 1.6), times_threshold(0.5, -1.0)
    ('2.00 times the threshold (3.2 of 1.6)', 'score 0.5, threshold -1')
    """
    if threshold > 0:
        return f"{score / threshold:.2f} times the threshold ({score:.4g} of {threshold:.4g})"
    return f"score {score:.4g}, threshold {threshold:.4g}"


def percent(share: float) -> str:
    """Write a share as a percentage of three significant digits.

    >>> percent(0.0714).replace(chr(160), " ")
    '7.14 %'
    """
    return f"{100 * share:.3g}\N{NO-BREAK SPACE}%"


def decimal(value: float | None) -> str:
    """Write a metric with four decimals, or a dash where it is not defined."""
    return "–" if value is None else f"{value:.4f}"


def interval(ends: tuple[float, float]) -> str:
    """Write both ends of an interval of a metric."""
    return f"{decimal(ends[0])} to {decimal(ends[1])}"


def error_bounds(bounds: Mapping[str, Mapping[str, float | None]]) -> str:
    """List how far the metrics of each category may be off."""
    rows = [
        f"{name or 'all images'}: " + ", ".join(f"{key} {bound:.2g}" for key, bound in row.items())
        for name, row in bounds.items()
    ]
    return "; ".join(rows)


def plural(number: int, noun: str) -> str:
    """Write a number of things.

    >>> plural(1, "image"), plural(2, "image")
    ('1 image', '2 images')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
