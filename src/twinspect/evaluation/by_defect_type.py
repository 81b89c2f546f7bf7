"""Metrics of each defect type by itself, for test sets with rules that say how much of a region is enough.

As in the tables of MVTec LOCO AD and by its own evaluation code, each defect type (label) is measured on its images
and the good ones: logical anomalies are not held against structural ones. A category's number is the mean over its
defect types, a test set's number the mean over its categories.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.samples import GOOD
from twinspect.data.saturation_rules import Saturation, read_regions, read_rules
from twinspect.evaluation.image_scores import labels_and_scores, of_label_or_good
from twinspect.evaluation.metric_row import MetricRow, compute_row, defined, mean_row
from twinspect.metrics import FURTHER_DEFINITIONS, SaturatedAccumulator, SaturatedMetrics, SaturatedRegion
from twinspect.metrics.definitions import SATURATED_LIMITS, MetricInputs, metric_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.data import Sample
    from twinspect.inference.results import ImageScore

DEFECT_TYPE_METRICS: Final = metric_keys("saturation rules")
"""The metrics of a test set with rules, of each defect type and on average over them."""


class DefectTypeTally:
    """Gathers the maps of the categories that have rules, beside their regions.

    Args:
        samples: the whole test set.
        most_pixels: scores to hold at most, of all categories together, computing included; beyond its share of them
            a defect type is counted in bins, and its numbers come with a bound on what that costs.
    """

    def __init__(self, samples: Iterable[Sample], most_pixels: int) -> None:
        types = sorted({(s.category, s.label) for s in samples if s.rules and (s.is_good or s.masks)})
        # Half of them are held while images come; the other half is for a defect type joined with the good images.
        self._most_each = most_pixels // 2 // max(1, len(types))
        self._parts = {key: SaturatedAccumulator(self._most_each) for key in types}
        self._rules: dict[Path, dict[int, Saturation]] = {}

    def add(self, sample: Sample, score_map: NDArray[np.float32]) -> None:
        """Add an image; one without rules, or anomalous without a mask, is left out.

        Raises:
            ImageError: a mask cannot be read.
            DataError: the rules cannot be read, or a mask holds a value that they do not list.
        """
        part = self._parts.get((sample.category, sample.label))
        if part is None or sample.rules is None or not (sample.is_good or sample.masks):
            return
        if sample.rules not in self._rules:
            self._rules[sample.rules] = read_rules(sample.rules)
        regions = read_regions(sample, self._rules[sample.rules])
        part.add([SaturatedRegion(region.marked, region.enough) for region in regions], score_map)

    def compute(self) -> dict[str, dict[str, SaturatedMetrics]]:
        """Compute the metrics by category and label, freeing what was gathered; nothing can be added afterwards."""
        metrics: dict[str, dict[str, SaturatedMetrics]] = {}
        good = {category: part for (category, label), part in self._parts.items() if label == GOOD}
        for category, label in sorted(self._parts):
            part = self._parts.pop((category, label))
            if label != GOOD:
                joined = self._joined(part, good.get(category))
                metrics.setdefault(category, {})[label] = joined.compute(tuple(SATURATED_LIMITS.values()))
        return metrics

    def _joined(self, part: SaturatedAccumulator, good: SaturatedAccumulator | None) -> SaturatedAccumulator:
        both = SaturatedAccumulator(2 * self._most_each)
        both.merge(part)
        if good is not None:
            both.merge(good)
        return both


@dataclass(frozen=True)
class DefectTypeTable:
    """The :data:`DEFECT_TYPE_METRICS` of a test set; empty where no category has rules.

    Attributes:
        rows: the metrics, by category, then by label.
        error_bounds: how far a value may be off, in the same order; only of categories where any is binned.
    """

    rows: dict[str, dict[str, MetricRow]] = field(default_factory=dict)
    error_bounds: dict[str, dict[str, MetricRow]] = field(default_factory=dict)

    @classmethod
    def compute(
        cls,
        saturated: Mapping[str, Mapping[str, SaturatedMetrics]],
        groups: Mapping[str, Sequence[ImageScore]],
    ) -> DefectTypeTable:
        """Compute the table.

        Args:
            saturated: metrics of pixels, by category and label.
            groups: all images by category.
        """
        rows = {
            category: {label: _row(groups[category], label, metrics) for label, metrics in by_label.items()}
            for category, by_label in saturated.items()
        }
        bounds = {
            category: {label: _error_bounds(metrics) for label, metrics in by_label.items()}
            for category, by_label in saturated.items()
            if not all(metrics.exact for metrics in by_label.values())
        }
        return cls(rows, bounds)

    @property
    def category_error_bounds(self) -> dict[str, MetricRow]:
        """How far the numbers of a category may be off; only of categories where any is binned."""
        return _means(self.error_bounds)

    @property
    def categories(self) -> dict[str, MetricRow]:
        """The mean over the defect types of each category."""
        return _means(self.rows)

    @property
    def mean(self) -> MetricRow:
        """The mean over the categories; empty where none has rules."""
        return mean_row(list(self.categories.values())) if self.rows else {}

    @property
    def by_label(self) -> dict[str, MetricRow]:
        """The mean of each defect type over the categories that have it."""
        labels = sorted({label for rows in self.rows.values() for label in rows})
        return {
            label: mean_row([rows[label] for rows in self.rows.values() if label in rows]) for label in labels
        }

    def to_record(self) -> dict[str, Any] | None:
        """Return plain JSON values, what ``metrics.json`` holds as ``saturated_pro``; ``None`` without rules."""
        if not self.rows:
            return None
        return {
            "categories": self.categories,
            "mean": self.mean,
            "kinds": {"categories": self.rows, "mean": self.by_label},
            "error_bounds": self.error_bounds,
            "definitions": {key: FURTHER_DEFINITIONS[key] for key in DEFECT_TYPE_METRICS},
        }


def _row(images: Sequence[ImageScore], label: str, saturated: SaturatedMetrics) -> MetricRow:
    labels, scores = labels_and_scores(of_label_or_good(images, label))
    return compute_row(["saturation rules"], MetricInputs(labels, scores, saturated=saturated))


def _error_bounds(metrics: SaturatedMetrics) -> MetricRow:
    return {key: defined(metrics.error_bound[limit]) for key, limit in SATURATED_LIMITS.items()}


def _means(rows: Mapping[str, Mapping[str, MetricRow]]) -> dict[str, MetricRow]:
    return {category: mean_row(list(by_label.values())) for category, by_label in rows.items()}
