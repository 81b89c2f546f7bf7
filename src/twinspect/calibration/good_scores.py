"""What a threshold is computed from: raw scores of good images, summaries of their maps, and how they look."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from twinspect.calibration.conformal import Calibration, choose_rate_for_categories
from twinspect.calibration.inspectable import good_ranges
from twinspect.calibration.map_peaks import GoodPeaks
from twinspect.calibration.parts import highest_by_part
from twinspect.images.quality import ImageQuality
from twinspect.images.statistics import ImageStatistics

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Kind
    from twinspect.calibration.parts import PartKey
    from twinspect.data.samples import Sample


PEAK_SHARE = 0.9
"""Share of good images whose maps stay below the peak that scales the colours of heat maps."""


@dataclass
class GoodScores:
    """Raw scores of good images, the median and the maximum of each map, and statistics and quality of each image."""

    names: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    typical: list[float] = field(default_factory=list)
    highest: list[float] = field(default_factory=list)
    statistics: list[ImageStatistics] = field(default_factory=list)
    qualities: list[ImageQuality] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    NUMBERS: ClassVar[int] = 3 + len(ImageQuality._fields) + len(ImageStatistics._fields)
    """How many numbers there are per image."""

    def to_numbers(self) -> NDArray[np.float64]:
        """Return the numbers of all images as (N, ``NUMBERS``), for another process."""
        columns = (self.scores, self.typical, self.highest, self.qualities, self.statistics)
        numbers = [
            (score, typical, highest, *quality, *statistics)
            for score, typical, highest, quality, statistics in zip(*columns, strict=True)
        ]
        return np.array(numbers, dtype=np.float64).reshape(-1, self.NUMBERS)

    @classmethod
    def from_numbers(cls, samples: Sequence[Sample], numbers: NDArray[np.float64]) -> GoodScores:
        """Rebuild from the images and their :meth:`to_numbers`."""
        good = cls([sample.name for sample in samples], [sample.category for sample in samples])
        good.parts = [sample.group for sample in samples]
        good.scores, good.typical, good.highest = numbers[:, :3].T.tolist()
        quality, statistics = np.split(numbers[:, 3:], [len(ImageQuality._fields)], axis=1)
        good.qualities = [ImageQuality(*row) for row in quality.tolist()]
        good.statistics = [ImageStatistics(*row) for row in statistics.tolist()]
        return good

    def add(
        self,
        sample: Sample,
        score: float,
        anomaly_map: NDArray[np.float32],
        statistics: ImageStatistics,
        quality: ImageQuality,
    ) -> None:
        """Add one image; of its map all values that count, in any shape."""
        self.names.append(sample.name)
        self.categories.append(sample.category)
        self.scores.append(score)
        self.typical.append(float(np.median(anomaly_map)))
        self.highest.append(float(anomaly_map.max()))
        self.statistics.append(statistics)
        self.qualities.append(quality)
        self.parts.append(sample.group)

    def of_one(self) -> GoodScores:
        """Return one image with the highest score: the first, of which all others are copies."""
        statistics, qualities = self.statistics[:1], self.qualities[:1]
        typical, highest = [float(np.median(self.typical))], [max(self.highest)]
        scores = [max(self.scores)]
        return GoodScores(
            self.names[:1],
            self.categories[:1],
            scores,
            typical,
            highest,
            statistics,
            qualities,
            self.parts[:1],
        )

    def without(self, names: Collection[str]) -> GoodScores:
        """Return all images but some."""
        kept = [index for index, name in enumerate(self.names) if name not in names]
        columns = (getattr(self, column.name) for column in fields(self))
        return GoodScores(*([column[index] for index in kept] for column in columns))

    def extend(self, other: GoodScores) -> None:
        """Add the images of another."""
        self.names += other.names
        self.categories += other.categories
        self.scores += other.scores
        self.typical += other.typical
        self.highest += other.highest
        self.statistics += other.statistics
        self.qualities += other.qualities
        self.parts += other.parts

    def calibration(self, requested: float | None, kind: Kind) -> Calibration:
        """Calibrate on these images.

        Raises:
            CalibrationError: they are too few for the requested rate.
        """
        highest = highest_by_part(self.highest, self.categories, self.parts)
        rate = choose_rate_for_categories([category for category, _, _ in highest], requested)
        map_range = (float(np.median(self.typical)), float(np.quantile(self.highest, PEAK_SHARE)))
        labels = tuple(self.names), tuple(self.categories), tuple(self.statistics)
        ranges = good_ranges(self.qualities, self.categories)
        peaks = GoodPeaks.of(self.scores, self.typical, self.highest)
        parts = tuple(self.parts) if any(self.parts) else ()
        by_category = _by_category(highest)
        return Calibration(
            tuple(self.scores), rate, kind, map_range, *labels, ranges, peaks, by_category, parts
        )


def _by_category(highest: Mapping[PartKey, float]) -> dict[str, tuple[float, ...]]:
    peaks: dict[str, list[float]] = {}
    for category, peak in sorted((category, peak) for (category, _, _), peak in highest.items()):
        peaks.setdefault(category, []).append(peak)
    return {name: tuple(values) for name, values in peaks.items()}
