"""Thresholds from good images alone, with a stated false-alarm rate (split-conformal ranking).

A new good image is exchangeable with the n held-out good ones, so its rank among them is uniform. With
p = (1 + #{calibration >= s}) / (n + 1), deciding "anomalous" at p <= alpha raises a false alarm with probability
at most alpha, whatever the scores' distribution (Vovk, Gammerman & Shafer 2005).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from twinspect.errors import CalibrationError, ConfigError
from twinspect.images.statistics import ImageStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

Kind = Literal["split", "cv"]
MAX_DEFAULT_RATE = Fraction(1, 10)
"""Without being asked, the rate is not raised above this for the sake of a category that has few images."""


@dataclass(frozen=True)
class Calibration:
    """Held-out good scores and the false-alarm rate promised from them.

    Attributes:
        scores: raw scores of good images that the student never saw, ascending.
        false_alarm_rate: the rate promised, in (0, 1).
        kind: ``split``, the exact bound above; ``cv``, scores from K fits that each left a fold out, ranked
            against by the model fitted on all: a good estimate, without a finite-sample proof.
        map_range: what the maps of those images look like: their typical pixel, and a peak that nine in ten
            of the maps stay below (not the highest of all, which one odd image would decide).
            Heat maps are coloured by it, so that one colour means one thing on every image.
        names: which image each score belongs to, in the order of ``scores``; empty if not known.
        categories: which product each of these images shows, likewise.
        statistics: what each of these images looks like, likewise; what is on the line later is compared with it.
    """

    scores: tuple[float, ...]
    false_alarm_rate: float
    kind: Kind = "split"
    map_range: tuple[float, float] = (0.0, 1.0)
    names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    statistics: tuple[ImageStatistics, ...] = ()

    def __post_init__(self) -> None:
        """Sort the scores, check that they are numbers and that they can promise the rate."""
        blank = ("",) * len(self.scores)
        labels = (self.names or blank, self.categories or blank, self.statistics or blank)
        ranked = sorted(zip(map(float, self.scores), *labels, strict=True), key=lambda row: row[:3])
        for place, column in enumerate(("scores", "names", "categories", "statistics")):
            known = len(getattr(self, column)) > 0
            object.__setattr__(self, column, tuple(row[place] for row in ranked) if known else ())
        if not np.isfinite(self.scores).all():
            raise CalibrationError(
                "calibration scores must be finite numbers; a good image scored NaN or infinity"
            )
        check_promise(len(self.scores), self.false_alarm_rate)

    @property
    def threshold(self) -> float:
        """The raw score above which an image is called anomalous: ``s > threshold`` exactly where p <= alpha."""
        return self.threshold_at(self.false_alarm_rate)

    def threshold_at(self, rate: float) -> float:
        """Find the threshold of another rate that these scores can promise."""
        check_promise(len(self.scores), rate)
        return self.scores[-_alarm_ranks(len(self.scores), rate)]

    @cached_property
    def by_category(self) -> dict[str, Calibration]:
        """Each category by itself, where there are several: those with images enough to promise the rate.

        Ranked within its own category, a good image is a false alarm at most so often *in every category*
        (Mondrian conformal prediction, Vovk, Gammerman & Shafer 2005, section 4.5); among all images that holds only
        on average, and a category whose scores run high pays for the others.
        """
        known = sorted(set(self.categories))
        return {name: self._only(name) for name in known if len(known) > 1 and self._can_promise(name)}

    def of(self, category: str) -> Calibration:
        """Give the calibration that decides for images of a category: its own, or that of all images pooled."""
        return self.by_category.get(category, self)

    def _can_promise(self, category: str) -> bool:
        images = self.categories.count(category)
        return _alarm_ranks(images, self.false_alarm_rate) >= 1

    def _only(self, category: str) -> Calibration:
        places = [place for place, own in enumerate(self.categories) if own == category]
        return replace(
            self,
            scores=tuple(self.scores[place] for place in places),
            names=tuple(self.names[place] for place in places) if self.names else (),
            categories=(),
            statistics=tuple(self.statistics[place] for place in places) if self.statistics else (),
        )

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Rank new raw scores among the calibration scores.

        Args:
            scores: (N,) raw scores.

        Returns:
            (N,) in [1 / (n + 1), 1]; NaN where a score is NaN.
        """
        new = np.asarray(scores, dtype=np.float64)
        above = len(self.scores) - np.searchsorted(self.scores, new, side="left")
        return np.where(np.isnan(new), np.nan, (1 + above) / (len(self.scores) + 1))

    def is_anomalous(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Decide for new raw scores, (N,); NaN is never anomalous."""
        return np.asarray(scores, dtype=np.float64) > self.threshold

    def decide(self, score: float, category: str) -> tuple[float, bool]:
        """Give the p-value of one raw score, and the decision, by the calibration of its category."""
        own = self.of(category)
        return float(own.p_values([score])[0]), bool(own.is_anomalous([score])[0])

    def suspects(self) -> tuple[tuple[str, float], ...]:
        """Name calibration images so unlike the others that the threshold may rest on a bad one.

        Returns:
            (name, score) of scores above the upper quartile by more than three times the distance between
            the quartiles (Tukey's "far out"), highest first.
        """
        low, high = np.quantile(self.scores, [0.25, 0.75])
        named = zip(self.names, self.scores, strict=False)
        return tuple(pair for pair in reversed(list(named)) if pair[1] > high + 3 * (high - low))

    def promise(self) -> str:
        """State in words what is promised, and on what ground."""
        ground = "split-conformal bound" if self.kind == "split" else "cross-conformal estimate"
        images = f"{len(self.scores)} held-out good images"
        own, known = len(self.by_category), len(set(self.categories))
        if own:
            few = min(len(each.scores) for each in self.by_category.values())
            images += f", {few} or more in each of {own} categories that have a threshold of their own"
        if 1 < known != own:
            images += f"; {known - own} with too few share the pooled threshold"
        return f"at most {100 * self.false_alarm_rate:.3g} % false alarms ({ground} from {images})"

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values; the threshold is included for readers that do no ranking."""
        return {
            "kind": self.kind,
            "false_alarm_rate": self.false_alarm_rate,
            "threshold": self.threshold,
            "map_range": list(self.map_range),
            "scores": list(self.scores),
            "names": list(self.names),
            "categories": list(self.categories),
            "thresholds": {name: own.threshold for name, own in self.by_category.items()},
            "looks": {
                name: [getattr(each, name) for each in self.statistics] for name in ImageStatistics._fields
            },
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Calibration:
        """Rebuild from :meth:`to_record`."""
        low, high = record["map_range"]
        scores, names = tuple(record["scores"]), tuple(record["names"])
        # Format 1 was first written without these two.
        categories, statistics = (
            tuple(record.get("categories", ())),
            _statistics_from(record.get("looks", {})),
        )
        return cls(
            scores, record["false_alarm_rate"], record["kind"], (low, high), names, categories, statistics
        )


def _statistics_from(columns: dict[str, list[float]]) -> tuple[ImageStatistics, ...]:
    """Rebuild looks from their record; those of another version, which measured other things, are left out."""
    if columns.keys() != set(ImageStatistics._fields):
        return ()
    return tuple(
        ImageStatistics(*row)
        for row in zip(*(columns[name] for name in ImageStatistics._fields), strict=True)
    )


def images_needed(rate: float) -> int:
    """Count the held-out good images without which a rate cannot be promised.

    >>> images_needed(0.05)
    19
    """
    return math.ceil(1 / exact_fraction(rate)) - 1


def smallest_rate(images: int) -> float:
    """Say the smallest rate that this many held-out good images can promise: 1 / (n + 1)."""
    return 1 / (images + 1)


def check_promise(images: int, rate: float) -> None:
    """Refuse a rate that cannot be promised.

    Raises:
        CalibrationError: with the number of images that would be needed.
    """
    if images < 1:
        raise CalibrationError(
            "no good images to calibrate with; give at least one, or 19 for a rate of 0.05"
        )
    if _alarm_ranks(images, rate) < 1:
        raise CalibrationError(
            f"{images} held-out good images cannot promise a false-alarm rate of {rate:g}: that needs "
            f"{images_needed(rate)}; the smallest rate these can promise is {smallest_rate(images):.4g}"
        )


def choose_rate(images: int, asked: float | None) -> float:
    """Take the rate asked for, or else the smallest these held-out images can promise.

    Raises:
        CalibrationError: the rate asked for cannot be promised.
    """
    if asked is None:
        check_promise(images, 1.0 if images < 1 else smallest_rate(images))
        return smallest_rate(images)
    check_promise(images, check_rate(asked))
    return asked


def choose_rate_for_categories(categories: Iterable[str], asked: float | None) -> float:
    """Take the rate asked for, or else the smallest that the held-out images of every category can promise.

    A category with too few images for a rate of 10 % has no say: it shares the pooled threshold.

    Args:
        categories: of each held-out image.
        asked: the false-alarm rate asked for, if any.

    Raises:
        CalibrationError: the rate asked for cannot be promised by all images together.
    """
    counts = Counter(categories)
    rate = choose_rate(counts.total(), asked)
    if asked is not None:
        return rate
    return max(rate, min(float(MAX_DEFAULT_RATE), smallest_rate(min(counts.values()))))


def check_rate(rate: float) -> float:
    """Return a rate that is one.

    Raises:
        ConfigError: it does not lie between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ConfigError(f"a false-alarm rate lies between 0 and 1, for instance 0.01; got {rate:g}")
    return rate


def check_kind(kind: str) -> Kind:
    """Return a kind of calibration that exists.

    Raises:
        ConfigError: it does not.
    """
    for known in get_args(Kind):
        if kind == known:
            return kind  # type: ignore[return-value] # compared with every allowed value
    raise ConfigError(f"calibration must be one of {', '.join(get_args(Kind))}, got {kind!r}")


def exact_fraction(rate: float) -> Fraction:
    """Read a rate as the decimal it was written as, so that 0.29 of 100 is 29 and not 28.999999999999996."""
    return Fraction(repr(float(rate)))


def _alarm_ranks(images: int, rate: float) -> int:
    """Count the ranks at which an image is called anomalous: floor(alpha (n + 1)).

    The smallest rate n images promise, 1 / (n + 1), is rounded as a float; it still allows one rank.
    """
    if rate == smallest_rate(images):
        return 1
    return min(images, math.floor(exact_fraction(rate) * (images + 1)))
