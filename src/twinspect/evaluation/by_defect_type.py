"""Saturated PRO, kind by kind: what test sets are measured by whose regions have rules for how much is enough.

As in the tables of MVTec LOCO AD and by its own evaluation code, each kind of anomaly (label) is measured by itself,
on its images and the good ones: logical anomalies are not held against structural ones. The number of a category is
the mean over its kinds, the number of a test set the mean over its categories.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.samples import GOOD
from twinspect.data.saturation_rules import Saturation, read_regions, read_rules
from twinspect.evaluation.metric_row import MetricRow, defined, mean_row
from twinspect.metrics import FURTHER_DEFINITIONS, SaturatedAccumulator, SaturatedMetrics, SaturatedRegion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.data import Sample

LIMITS: Final = {"auspro_05": 0.05, "auspro_30": 0.3}
"""The false-positive rate up to which each metric of a test set with rules is integrated."""
BY_KIND: Final = (*LIMITS, "image_auroc_by_kind")
"""The metrics of a test set with rules; the last is the image AUROC of a kind, or its mean over kinds."""


class DefectTypeTally:
    """Gathers the maps of the categories that have rules, beside their regions.

    Args:
        samples: the whole test set.
        most_pixels: scores to hold at most, of all categories together, computing included; past its share of them a
            kind is counted in bins, and its numbers come with a bound on what that costs.
    """

    def __init__(self, samples: Iterable[Sample], most_pixels: int) -> None:
        places = sorted({(s.category, s.label) for s in samples if s.rules and (s.is_good or s.masks)})
        # Half of them are held while images come; the other half is for a kind joined with the good images.
        self._each = most_pixels // 2 // max(1, len(places))
        self._parts = {place: SaturatedAccumulator(self._each) for place in places}
        self._rules: dict[Path, dict[int, Saturation]] = {}

    def add(self, sample: Sample, score_map: NDArray[np.float32]) -> None:
        """Take in an image with its map; it is left out without rules, and as an anomalous one without a mask.

        Raises:
            ImageError: a mask cannot be read.
            DataError: the rules cannot be read, or a mask holds what they do not know.
        """
        part = self._parts.get((sample.category, sample.label))
        if part is None or sample.rules is None or not (sample.is_good or sample.masks):
            return
        if sample.rules not in self._rules:
            self._rules[sample.rules] = read_rules(sample.rules)
        found = read_regions(sample, self._rules[sample.rules])
        part.add([SaturatedRegion(region.marked, region.enough) for region in found], score_map)

    def compute(self) -> dict[str, dict[str, SaturatedMetrics]]:
        """Compute each category's kinds, letting go of what was gathered; nothing can be added afterwards."""
        found: dict[str, dict[str, SaturatedMetrics]] = {}
        good = {category: part for (category, label), part in self._parts.items() if label == GOOD}
        for category, label in sorted(self._parts):
            part = self._parts.pop((category, label))
            if label != GOOD:
                metrics = self._joined(part, good.get(category)).compute(tuple(LIMITS.values()))
                found.setdefault(category, {})[label] = metrics
        return found

    def _joined(self, part: SaturatedAccumulator, good: SaturatedAccumulator | None) -> SaturatedAccumulator:
        both = SaturatedAccumulator(2 * self._each)
        both.merge(part)
        if good is not None:
            both.merge(good)
        return both


@dataclass(frozen=True)
class DefectTypeTable:
    """The metrics of :data:`BY_KIND` of a test set; none where no category has rules.

    Attributes:
        kinds: by category, then by label.
        error_bounds: how far a value may be off, likewise; only of categories where any is binned.
    """

    kinds: dict[str, dict[str, MetricRow]] = field(default_factory=dict)
    error_bounds: dict[str, dict[str, MetricRow]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        found: Mapping[str, Mapping[str, SaturatedMetrics]],
        image_aurocs: Mapping[tuple[str, str], float | None],
    ) -> DefectTypeTable:
        """Lay out what was computed.

        Args:
            found: by category and label.
            image_aurocs: of each label's images against the good ones of its category.
        """
        kinds = {
            category: {
                label: {**_line(each.auspro), BY_KIND[-1]: image_aurocs[category, label]}
                for label, each in own.items()
            }
            for category, own in found.items()
        }
        bounds = {
            category: {label: _line(each.error_bound) for label, each in own.items()}
            for category, own in found.items()
            if not all(each.exact for each in own.values())
        }
        return cls(kinds, bounds)

    @property
    def bounds(self) -> dict[str, MetricRow]:
        """How far the numbers of a category may be off; only where they are."""
        return {category: mean_row(list(own.values())) for category, own in self.error_bounds.items()}

    @property
    def categories(self) -> dict[str, MetricRow]:
        """The mean over the kinds of each category."""
        return {category: mean_row(list(own.values())) for category, own in self.kinds.items()}

    @property
    def mean(self) -> MetricRow:
        """The mean over the categories; nothing where none has rules."""
        return mean_row(list(self.categories.values())) if self.kinds else {}

    @property
    def by_label(self) -> dict[str, MetricRow]:
        """The mean of each kind over the categories that have it."""
        labels = sorted({label for own in self.kinds.values() for label in own})
        return {
            label: mean_row([own[label] for own in self.kinds.values() if label in own]) for label in labels
        }

    def to_record(self) -> dict[str, Any] | None:
        """Return plain JSON values, what ``metrics.json`` holds as ``saturated_pro``; ``None`` without rules."""
        if not self.kinds:
            return None
        return {
            "categories": self.categories,
            "mean": self.mean,
            "kinds": {"categories": self.kinds, "mean": self.by_label},
            "error_bounds": self.error_bounds,
            "definitions": {key: FURTHER_DEFINITIONS[key] for key in BY_KIND},
        }


def _line(values: Mapping[float, float]) -> MetricRow:
    return {key: defined(values[limit]) for key, limit in LIMITS.items()}
