"""Thresholds from good images alone, with a stated false-alarm rate (split-conformal ranking).

A new good image is exchangeable with the n held-out good ones, so its rank among them is uniform. With
p = (1 + #{calibration >= s}) / (n + 1), deciding "anomalous" at p <= alpha raises a false alarm with probability
at most alpha, whatever the scores' distribution (Vovk, Gammerman & Shafer 2005).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from twinspect.calibration.inspectable import GoodRange
from twinspect.calibration.map_peaks import GoodPeaks
from twinspect.calibration.parts import highest_by_part
from twinspect.errors import CalibrationError, ConfigError
from twinspect.images.statistics import ImageStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from twinspect.calibration.parts import PartKey
    from twinspect.images.quality import ImageQuality

Kind = Literal["split", "cv", "copies"]
CHOICES: Final[tuple[Kind, ...]] = ("split", "cv")
"""Kinds that may be asked for; a single good image gets the third."""
MAX_DEFAULT_RATE = Fraction(1, 10)
"""Where no rate is requested, a category with few images does not raise it above this."""
SCORE_ROUNDING: Final = 1e-4
"""Relative difference below which two scores are equal: runtimes and processors differ by less."""

SMALLEST_DIFFERENCE: Final = float(np.finfo(np.float32).eps)
"""Scores that differ by no more are equal: they are computed from cosines in single precision, which end at 1."""


class Decision(NamedTuple):
    """What a calibration decides of one image.

    Attributes:
        p_value: of its score, whether or not the image can be inspected.
        is_anomalous: the decision; never where the image cannot be inspected.
        not_inspectable: why the image cannot be inspected, in words; empty if it can.
    """

    p_value: float
    is_anomalous: bool
    not_inspectable: str


@dataclass(frozen=True)
class Calibration:
    """Scores of held-out good images and the false-alarm rate promised from them.

    Attributes:
        scores: raw scores of good images that the student never saw, ascending.
        false_alarm_rate: the rate promised, in (0, 1).
        kind: ``split``, the exact bound above; ``cv``, scores from K fits that each left a fold out, against which
            the model fitted on all images is ranked: a good estimate, without a finite-sample proof; ``copies``, the
            highest score of changed copies of the only good image, which promises nothing.
        map_range: the typical pixel of the maps of those images, and a peak that nine in ten of the maps stay
            below (not the highest of all, which one odd image would decide). It scales the colours of heat
            maps, so that a colour means the same on every image.
        names: the image that each score belongs to, in the order of ``scores``; empty if not known.
        categories: the product that each of these images shows, in the same order; empty if not known.
        statistics: brightness, contrast and more of each of these images, in the same order, with which later
            images are compared to detect drift; empty if not known.
        good_ranges: the range of good images by category, and of all under the empty name; outside it a frame cannot
            be inspected. Empty in the records of earlier versions: then every frame can be.
        good_peaks: the peaks of their maps, where scores do not follow them; ``None`` where they do, and in the
            records of earlier versions.
        map_peaks: the peak of the map of each held-out good image, by category, from which :attr:`of_maps` comes;
            empty where maps are not known: in joined models without images of their own and in earlier records.
            Where images say which part they show, that of each part.
        parts: the part that each of these images shows, in the same order, empty for an image that is a part by
            itself; empty where no image says so. A part is decided by its highest score, so that the rate is one of
            parts: no more of the good ones have an image above the threshold.
    """

    scores: tuple[float, ...]
    false_alarm_rate: float
    kind: Kind = "split"
    map_range: tuple[float, float] = (0.0, 1.0)
    names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    statistics: tuple[ImageStatistics, ...] = ()
    good_ranges: dict[str, GoodRange] = field(default_factory=dict)
    good_peaks: GoodPeaks | None = None
    map_peaks: dict[str, tuple[float, ...]] = field(default_factory=dict)
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Sort the scores, and check that they are finite and can promise the rate."""
        blank = ("",) * len(self.scores)
        labels = (
            self.names or blank,
            self.categories or blank,
            self.statistics or blank,
            self.parts or blank,
        )
        ranked = sorted(zip(map(float, self.scores), *labels, strict=True), key=lambda row: row[:3])
        for index, column in enumerate(("scores", "names", "categories", "statistics", "parts")):
            has_values = len(getattr(self, column)) > 0
            object.__setattr__(self, column, tuple(row[index] for row in ranked) if has_values else ())
        if not np.isfinite(self.scores).all():
            raise CalibrationError(
                "calibration scores must be finite numbers; a good image scored NaN or infinity"
            )
        check_promise(len(self.part_scores), self.false_alarm_rate)

    @cached_property
    def _by_part(self) -> dict[PartKey, float]:
        return highest_by_part(self.scores, self.categories, self.parts)

    @cached_property
    def part_scores(self) -> tuple[float, ...]:
        """What new scores are ranked among, ascending: the highest score of each part."""
        return tuple(sorted(self._by_part.values()))

    @property
    def threshold(self) -> float:
        """The raw score above which an image is called anomalous: ``s > threshold`` exactly where p <= alpha."""
        return self.threshold_at(self.false_alarm_rate)

    def threshold_at(self, rate: float) -> float:
        """Find the threshold of another rate that these scores can promise."""
        check_promise(len(self.part_scores), rate)
        return self.part_scores[-_alarm_ranks(len(self.part_scores), rate)]

    @cached_property
    def by_category(self) -> dict[str, Calibration]:
        """Calibrations of single categories, where there are several: those with enough images to promise the rate.

        Ranked within its own category, a good image is a false alarm at most so often *in every category*
        (Mondrian conformal prediction, Vovk, Gammerman & Shafer 2005, section 4.5). Ranked among all images, this
        holds only on average, and a category with generally high scores has more false alarms than others.
        """
        names = sorted(set(self.categories))
        return {name: self._restrict_to(name) for name in names if len(names) > 1 and self._can_promise(name)}

    def of(self, category: str) -> Calibration:
        """Return the calibration that decides for images of a category: its own, or the pooled one."""
        return self.by_category.get(category, self)

    @cached_property
    def of_maps(self) -> Calibration | None:
        """The same for the peaks of maps, which says from which value on a pixel is anomalous; ``None`` without maps.

        At most the promised share of good images has a pixel above its threshold: their peaks are as exchangeable as
        their scores. Where these are fewer than the rate takes, it is the smallest that they can promise.
        """
        entries = [(peak, name) for name, peaks in self.map_peaks.items() for peak in peaks]
        if not entries:
            return None
        peaks, names = zip(*entries, strict=True)
        rate = max(self.false_alarm_rate, smallest_rate(len(peaks)))
        return Calibration(peaks, rate, self.kind, self.map_range, categories=names)

    def _can_promise(self, category: str) -> bool:
        parts = sum(name == category for name, _, _ in self._by_part)
        return _alarm_ranks(parts, self.false_alarm_rate) >= 1

    def _restrict_to(self, category: str) -> Calibration:
        indices = [index for index, name in enumerate(self.categories) if name == category]
        return replace(
            self,
            scores=tuple(self.scores[index] for index in indices),
            names=tuple(self.names[index] for index in indices) if self.names else (),
            categories=(),
            statistics=tuple(self.statistics[index] for index in indices) if self.statistics else (),
            parts=tuple(self.parts[index] for index in indices) if self.parts else (),
        )

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Rank new raw scores among the calibration scores.

        Args:
            scores: (N,) raw scores.

        Returns:
            (N,) in [1 / (n + 1), 1], n being the number of :attr:`part_scores`; NaN where a score is NaN.
        """
        new = np.asarray(scores, dtype=np.float64)
        good = self.part_scores
        above = len(good) - np.searchsorted(good, new, side="left")
        return np.where(np.isnan(new), np.nan, (1 + above) / (len(good) + 1))

    def is_anomalous(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Decide whether new raw scores, (N,), are anomalous; NaN never is."""
        return np.asarray(scores, dtype=np.float64) > self.threshold

    def decide(
        self, score: float, category: str, quality: ImageQuality | None = None, unaligned: str = ""
    ) -> Decision:
        """Decide for one image, by the threshold and the good images of its category.

        Args:
            score: its raw score.
            category: what it shows.
            quality: how it was taken; ``None`` if not known, which is no reason not to inspect it.
            unaligned: why it could not be aligned; empty if it was, or need not be.
        """
        calibration = self.of(category)
        good = self.good_ranges.get(category) or self.good_ranges.get("")
        reason = unaligned or (good.reason_against(quality) if good and quality else "")
        is_anomalous = bool(calibration.is_anomalous([score])[0]) and not reason
        return Decision(float(calibration.p_values([score])[0]), is_anomalous, reason)

    def suspects(self) -> tuple[tuple[str, float], ...]:
        """Name calibration images whose scores are outliers, so that they may not be good images after all.

        Returns:
            (name, score) of scores above the upper quartile by more than three times the distance between
            the quartiles (Tukey's "far out") and by more than rounding, highest first.
        """
        low, high = np.quantile(self.scores, [0.25, 0.75])
        rounding = max(SCORE_ROUNDING * np.abs(self.scores).max(), SMALLEST_DIFFERENCE)
        margin = max(3 * (high - low), rounding)
        pairs = zip(self.names, self.scores, strict=False)
        return tuple(pair for pair in reversed(list(pairs)) if pair[1] > high + margin)

    def promise(self) -> str:
        """State in words what is promised, and on what basis."""
        if self.kind == "copies":
            return (
                "no false-alarm rate can be promised from a single good image (the threshold is the highest score of "
                "changed copies of it, and other good images may well exceed it: rank by the scores; for a promise, "
                "fit on more good images, or give others to twinspect calibrate)"
            )
        basis = "split-conformal bound" if self.kind == "split" else "cross-conformal estimate"
        images = f"{len(self.scores)} held-out good images"
        if any(self.parts):
            images = f"{len(self.part_scores)} held-out good parts in {len(self.scores)} images"
        separate, total = len(self.by_category), len(set(self.categories))
        if separate:
            fewest = min(len(category.part_scores) for category in self.by_category.values())
            images += (
                f", {fewest} or more in each of {separate} categories that have a threshold of their own"
            )
        if 1 < total != separate:
            images += f"; {total - separate} with too few share the pooled threshold"
        what = false_alarms_of(self.parts)
        return f"at most {100 * self.false_alarm_rate:.3g} % {what} ({basis} from {images})"

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values; the threshold is included for readers that do not rank."""
        return {
            "kind": self.kind,
            "false_alarm_rate": self.false_alarm_rate,
            "threshold": self.threshold,
            "map_range": list(self.map_range),
            "scores": list(self.scores),
            "names": list(self.names),
            "categories": list(self.categories),
            "thresholds": {name: category.threshold for name, category in self.by_category.items()},
            "looks": {
                name: [getattr(image, name) for image in self.statistics] for name in ImageStatistics._fields
            },
            "good_ranges": {name: good.to_record() for name, good in self.good_ranges.items()},
            **({"good_peaks": self.good_peaks.to_record()} if self.good_peaks else {}),
            **(
                {"map_peaks": {name: list(peaks) for name, peaks in self.map_peaks.items()}}
                if self.map_peaks
                else {}
            ),
            **({"parts": list(self.parts)} if any(self.parts) else {}),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Calibration:
        """Rebuild from :meth:`to_record`."""
        low, high = record["map_range"]
        # The first records of format 1 lack what is asked for by get.
        ranges, peaks = record.get("good_ranges", {}), record.get("good_peaks")
        return cls(
            scores=tuple(record["scores"]),
            false_alarm_rate=record["false_alarm_rate"],
            kind=record["kind"],
            map_range=(low, high),
            names=tuple(record["names"]),
            categories=tuple(record.get("categories", ())),
            statistics=_statistics_from(record.get("looks", {})),
            good_ranges={name: GoodRange.from_record(good) for name, good in ranges.items()},
            good_peaks=GoodPeaks.from_record(peaks) if peaks else None,
            map_peaks={name: tuple(peaks) for name, peaks in record.get("map_peaks", {}).items()},
            parts=tuple(record.get("parts", ())),
        )


def _statistics_from(columns: dict[str, list[float]]) -> tuple[ImageStatistics, ...]:
    """Rebuild image statistics; those of another version, which measured other quantities, are left out."""
    if columns.keys() != set(ImageStatistics._fields):
        return ()
    return tuple(
        ImageStatistics(*row)
        for row in zip(*(columns[name] for name in ImageStatistics._fields), strict=True)
    )


def false_alarms_of(parts: Iterable[str]) -> str:
    """Say of what a promised rate is one, by the part that each image shows."""
    return "of good parts are false alarms" if any(parts) else "false alarms"


def images_needed(rate: float) -> int:
    """Return how many held-out good images are needed to promise a rate.

    >>> images_needed(0.05)
    19
    """
    return math.ceil(1 / exact_fraction(rate)) - 1


def smallest_rate(images: int) -> float:
    """Return the smallest rate that so many held-out good images can promise: 1 / (n + 1)."""
    return 1 / (images + 1)


def check_promise(images: int, rate: float) -> None:
    """Refuse a rate that cannot be promised.

    Raises:
        CalibrationError: states the number of images needed.
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


def choose_rate(images: int, requested: float | None) -> float:
    """Return the requested rate, or else the smallest that the held-out images can promise.

    Raises:
        CalibrationError: the requested rate cannot be promised.
    """
    if requested is None:
        check_promise(images, 1.0 if images < 1 else smallest_rate(images))
        return smallest_rate(images)
    check_promise(images, check_rate(requested))
    return requested


def choose_rate_for_categories(categories: Iterable[str], requested: float | None) -> float:
    """Return the requested rate, or else the smallest that the held-out images of every category can promise.

    A category with too few images for a rate of 10 % is not considered: it shares the pooled threshold.

    Args:
        categories: of each held-out image.
        requested: the false-alarm rate; ``None`` for the smallest one.

    Raises:
        CalibrationError: all images together cannot promise the requested rate.
    """
    counts = Counter(categories)
    rate = choose_rate(counts.total(), requested)
    if requested is not None:
        return rate
    return max(rate, min(float(MAX_DEFAULT_RATE), smallest_rate(min(counts.values()))))


def check_rate(rate: float) -> float:
    """Return a valid rate unchanged.

    Raises:
        ConfigError: the rate does not lie between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ConfigError(f"a false-alarm rate lies between 0 and 1, for instance 0.01; got {rate:g}")
    return rate


def check_kind(kind: str) -> Kind:
    """Return a valid kind of calibration unchanged.

    Raises:
        ConfigError: there is no such kind.
    """
    for allowed in CHOICES:
        if kind == allowed:
            return allowed
    raise ConfigError(f"calibration must be one of {', '.join(CHOICES)}, got {kind!r}")


def exact_fraction(rate: float) -> Fraction:
    """Return a rate as the exact decimal it was written as, so that 0.29 of 100 is 29 and not 28.999999999999996."""
    return Fraction(repr(float(rate)))


def _alarm_ranks(images: int, rate: float) -> int:
    """Count the ranks at which an image is called anomalous: floor(alpha (n + 1)).

    The smallest rate that n images promise, 1 / (n + 1), is rounded as a float; it still allows one rank.
    """
    if rate == smallest_rate(images):
        return 1
    return min(images, math.floor(exact_fraction(rate) * (images + 1)))
