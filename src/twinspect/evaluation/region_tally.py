"""How well the defects of a test set are found as things: by their size, ranked by peaks, and AUPIMO."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.evaluation.metric_row import MetricRow, compute_row, defined, mean_row
from twinspect.inference.found_regions import levels_of
from twinspect.metrics import FURTHER_DEFINITIONS, AupimoAccumulator, AupimoScores
from twinspect.metrics.definitions import MetricInputs, metric_keys
from twinspect.metrics.region_detection import (
    Compared,
    Recall,
    RegionMetrics,
    compare_regions,
    label_components,
    region_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.inference.results import ImageScore

REGION_METRICS: Final = metric_keys("defects")
"""The metrics of defects as things, of each category, on average and over all."""
_FURTHER: Final = ("region_recall_by_size", "finds_9_of_10_from_px")
_NOTHING: Final[NDArray[np.bool_]] = np.empty(0, np.bool_)


@dataclass(frozen=True)
class RegionTable:
    """How well the defects of a test set are found as things.

    Attributes:
        rows: the :data:`REGION_METRICS` by category; only of categories with masks.
        pooled: the same over all images at once: one scale of scores, each category's own level.
        found: what is known of all images at once.
        error_bounds: how far AUPIMO may be off, by category; only where it may be.
        outside_roi: how many defects lie wholly outside of the region of interest, and count nowhere.
    """

    rows: dict[str, MetricRow] = field(default_factory=dict)
    pooled: MetricRow = field(default_factory=dict)
    found: RegionMetrics = field(default_factory=RegionMetrics)
    error_bounds: dict[str, float] = field(default_factory=dict)
    outside_roi: int = 0

    @property
    def mean(self) -> MetricRow:
        """The mean over the categories for which a metric is defined."""
        return mean_row(list(self.rows.values()))

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values; none without masks."""
        if not self.rows:
            return {}
        found = self.found
        return {
            "categories": self.rows,
            "mean": self.mean,
            "pooled": self.pooled,
            "found": found.found,
            "found_without_defect": found.false,
            "outside_roi": self.outside_roi,
            "recall_by_size": {
                "all": _recall_record(found.recall),
                "px": {name: _recall_record(recall) for name, recall in found.by_size.items()},
                "share": {name: _recall_record(recall) for name, recall in found.by_share.items()},
                "doubled": [_recall_record(recall) for recall in found.curve],
            },
            "finds_9_of_10_from_px": found.found_from,
            "error_bounds": self.error_bounds,
            "definitions": {key: FURTHER_DEFINITIONS[key] for key in (*REGION_METRICS, *_FURTHER)},
        }


class RegionTally:
    """Compares defects with what maps show, image by image.

    Args:
        categories: those that have masks.
        calibration: says from which value on a map shows a region; ``None`` if nothing does.
    """

    def __init__(self, categories: Sequence[str], calibration: Calibration | None) -> None:
        self._levels = {
            category: levels_of(calibration, category) if calibration else None for category in categories
        }
        self._compared: dict[str, list[Compared]] = {category: [] for category in categories}
        self._aupimo = {category: AupimoAccumulator() for category in categories}
        self._outside_roi = 0

    def add(self, image: ImageScore, mask: NDArray[np.bool_]) -> None:
        """Add an image with its map.

        Args:
            image: of a category that has masks.
            mask: (H, W), all that is marked, whether or not it is looked at.
        """
        if image.map is None:
            return
        category = image.sample.category
        defects = label_components(mask)
        if image.inside is not None:
            everywhere, defects = defects, np.where(image.inside, defects, 0)
            outside = int(everywhere.max()) - int(np.count_nonzero(np.bincount(defects.ravel())[1:]))
            self._outside_roi += outside
            if outside and not defects.any():  # the image has no part in this
                return
        self._aupimo[category].add(mask, image.map, image.inside)
        levels = self._levels[category]
        if levels and not image.not_inspectable:
            reached = image.map > levels.low
            found = label_components(reached if image.inside is None else reached & image.inside)
            self._compared[category].append(compare_regions(defects, found, image.map, levels.high))

    def compute(self) -> RegionTable:
        """Compute the table."""
        compared = self._compared
        parts = {category: part.compute() for category, part in self._aupimo.items()}
        rows = {category: _row(region_metrics(compared[category]), parts[category]) for category in compared}
        found = region_metrics([image for images in compared.values() for image in images])
        everything = parts.get(next(iter(parts), ""), AupimoScores())
        if len(parts) > 1:
            everything = _merged(self._aupimo.values()).compute()
        bounds = {category: part.error_bound for category, part in parts.items() if part.error_bound}
        return RegionTable(rows, _row(found, everything), found, bounds, self._outside_roi)


def _merged(parts: Iterable[AupimoAccumulator]) -> AupimoAccumulator:
    total = AupimoAccumulator()
    for part in parts:
        total.merge(part)
    return total


def _row(found: RegionMetrics, aupimo: AupimoScores) -> MetricRow:
    inputs = MetricInputs(_NOTHING, np.empty(0), aupimo=aupimo.mean, regions=found)
    return compute_row(["defects"], inputs)


def _recall_record(recall: Recall) -> dict[str, Any]:
    return {
        "at_least": recall.at_least,
        "below": None if np.isinf(recall.below) else recall.below,
        "defects": recall.defects,
        "found": recall.hit,
        "recall": defined(recall.share),
        "interval_95": list(recall.interval),
    }
