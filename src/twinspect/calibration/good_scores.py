"""What a threshold is made from: raw scores of good images, their maps in brief, and what the images look like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from twinspect.calibration.conformal import Calibration, choose_rate_for_categories
from twinspect.images.statistics import ImageStatistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Kind
    from twinspect.data.samples import Sample


PEAK_SHARE = 0.9
"""The share of good images whose maps stay below the peak that colours heat maps."""


@dataclass
class GoodScores:
    """Raw scores of good images, the typical and the highest pixel of each one's map, and what each looks like."""

    names: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    typical: list[float] = field(default_factory=list)
    highest: list[float] = field(default_factory=list)
    statistics: list[ImageStatistics] = field(default_factory=list)

    NUMBERS: ClassVar[int] = 3 + len(ImageStatistics._fields)
    """How many numbers there are of an image."""

    def to_numbers(self) -> NDArray[np.float64]:
        """Lay the numbers of all images out, (N, ``NUMBERS``), for another process to read."""
        rows = zip(self.scores, self.typical, self.highest, self.statistics, strict=True)
        numbers = [(score, typical, highest, *seen) for score, typical, highest, seen in rows]
        return np.array(numbers, dtype=np.float64).reshape(-1, self.NUMBERS)

    @classmethod
    def of(cls, samples: Sequence[Sample], numbers: NDArray[np.float64]) -> GoodScores:
        """Put together images and what :meth:`to_numbers` said of them."""
        good = cls([sample.name for sample in samples], [sample.category for sample in samples])
        good.scores, good.typical, good.highest = numbers[:, :3].T.tolist()
        good.statistics = [ImageStatistics(*seen) for seen in numbers[:, 3:].tolist()]
        return good

    def add(self, sample: Sample, score: float, values: NDArray[np.float32], seen: ImageStatistics) -> None:
        """Take in one image."""
        self.names.append(sample.name)
        self.categories.append(sample.category)
        self.scores.append(score)
        self.typical.append(float(np.median(values)))
        self.highest.append(float(values.max()))
        self.statistics.append(seen)

    def extend(self, other: GoodScores) -> None:
        """Take in the images of another."""
        self.names += other.names
        self.categories += other.categories
        self.scores += other.scores
        self.typical += other.typical
        self.highest += other.highest
        self.statistics += other.statistics

    def calibration(self, asked: float | None, kind: Kind) -> Calibration:
        """Make the promise that these images allow.

        Raises:
            CalibrationError: they are too few for the rate asked for.
        """
        span = (float(np.median(self.typical)), float(np.quantile(self.highest, PEAK_SHARE)))
        rate = choose_rate_for_categories(self.categories, asked)
        labels = tuple(self.names), tuple(self.categories), tuple(self.statistics)
        return Calibration(tuple(self.scores), rate, kind, span, *labels)
