"""Evaluation: score a labelled test set once and compute every metric on the raw scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from twinspect.evaluation.by_object import object_rows, objects_record
from twinspect.evaluation.labelled_set import (
    Measured,
    PixelTally,
    against_good,
    by_category,
    counts,
    defect_type_table,
    labels_and_scores,
    open_test_set,
    quality,
)
from twinspect.evaluation.metric_row import MetricRow, defined, mean_row
from twinspect.metrics import (
    DEFINITIONS,
    FURTHER_DEFINITIONS,
    auroc_interval,
    binomial_interval,
    false_alarm_rate,
    mean_interval,
    miss_rate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.data import DataSource
    from twinspect.evaluation.by_defect_type import DefectTypeTable
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore
    from twinspect.metrics import PixelAccumulator, PixelMetrics

METRICS = tuple(DEFINITIONS)
"""The keys of every table of metrics, in the order they are shown."""


Interval: TypeAlias = tuple[float, float] | None


@dataclass(frozen=True)
class Intervals:
    """The 95 % confidence interval of an image AUROC, low and high; ``None`` where the AUROC is undefined.

    Attributes:
        categories: of each category.
        mean: of the mean over the categories.
        pooled: of all images at once.
    """

    categories: dict[str, Interval]
    mean: Interval
    pooled: Interval


@dataclass
class Evaluation:
    """What an evaluation found.

    Attributes:
        rows: every image with its raw score and decision; maps are not kept.
        categories: the metrics of each category.
        mean: the mean of each metric over the categories that have it.
        pooled: the metrics over all images at once: one scale of scores, the pooled threshold.
        defects: per category and label: images, how many were flagged, and AUROC against the good ones.
        pixels: the accumulated pixels of all categories, for curves; ``None`` without masks.
        error_bounds: how far a binned pixel metric may be off, by category; empty where all are exact.
        resolution: at which size maps and masks were compared, in words.
        intervals: of the image AUROC, of each line above; see :class:`Intervals`.
        kinds: saturated PRO by kind of anomaly; empty where no category has rules for it.
        objects: AUROC of objects by category; empty where no image says which object it shows.
    """

    rows: list[ImageScore]
    categories: dict[str, dict[str, float | None]]
    mean: dict[str, float | None]
    pooled: dict[str, float | None]
    defects: list[dict[str, Any]]
    pixels: PixelAccumulator | None = field(repr=False)
    error_bounds: dict[str, Any]
    resolution: str
    intervals: Intervals
    kinds: DefectTypeTable
    objects: dict[str, MetricRow]

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values: what ``metrics.json`` holds about the data."""
        return {
            "categories": self.categories,
            "mean": self.mean,
            "pooled": self.pooled,
            "defects": self.defects,
            "images": counts(self.rows),
            "resolution": self.resolution,
            "error_bounds": self.error_bounds,
            "intervals": {
                "image_auroc": asdict(self.intervals),
                "definition": FURTHER_DEFINITIONS["image_auroc_interval"],
            },
            "saturated_pro": self.kinds.to_record(),
            "objects": objects_record(self.objects),
            "definitions": DEFINITIONS,
        }


def evaluate(
    detector: BaseDetector,
    data: DataSource,
    *,
    watch: Callable[[ImageScore, NDArray[np.bool_] | None], None] | None = None,
) -> Evaluation:
    """Score the test split of a data set and compute every metric.

    Maps and masks are compared at each image's own size, so no mask is resampled and no small defect vanishes.

    Args:
        detector: a fitted detector.
        data: a data set with a ``test`` split.
        watch: called with every scored image and its mask, for instance to draw a bar or keep the worst.

    Raises:
        DataError: there is no test split, or a mask does not fit its image.
    """
    test = open_test_set(data)
    tally = PixelTally(test.samples)
    rows = []
    for row in detector.stream(test):
        mask = tally.add(row)
        if watch:
            watch(row, mask)
        rows.append(replace(row, map=None))
    return _summarise(rows, tally.compute(), detector.calibration_)


def _summarise(rows: list[ImageScore], measured: Measured, calibration: Calibration) -> Evaluation:
    groups = by_category(rows)
    categories = {
        name: _metrics(group, measured.categories.get(name), calibration.of(name).threshold)
        for name, group in groups.items()
    }
    return Evaluation(
        rows=rows,
        categories=categories,
        mean=mean_row(list(categories.values())),
        pooled=_metrics(rows, measured.pooled, calibration.threshold),
        defects=_per_defect(groups),
        pixels=measured.pixels,
        error_bounds=measured.error_bounds,
        resolution="each image at its own size",
        intervals=_intervals(groups, rows),
        kinds=defect_type_table(groups, measured),
        objects=object_rows(groups),
    )


def _metrics(
    rows: Sequence[ImageScore], pixels: PixelMetrics | None, threshold: float
) -> dict[str, float | None]:
    """Compute one line of the table; what is undefined, such as pixel metrics without masks, is ``None``."""
    labels, scores = labels_and_scores(rows)
    flagged = scores > threshold
    values = {
        **quality(rows, pixels),
        "false_alarm_rate": defined(false_alarm_rate(labels, flagged)),
        "miss_rate": defined(miss_rate(labels, flagged)),
        "threshold": defined(threshold),
    }
    return {key: values[key] for key in METRICS}


def _intervals(groups: dict[str, list[ImageScore]], rows: Sequence[ImageScore]) -> Intervals:
    found = {name: _interval(group) for name, group in groups.items()}
    known = [each for each in found.values() if each is not None]
    ends = mean_interval(*zip(*known, strict=True)) if known else None
    pooled = _interval(rows)
    each = {name: own and own[1:] for name, own in found.items()}
    return Intervals(each, ends, pooled and pooled[1:])


def _interval(rows: Sequence[ImageScore]) -> tuple[float, float, float] | None:
    """Give an image AUROC and both ends of its interval, where it is defined."""
    labels, scores = labels_and_scores(rows)
    if labels.all() or not labels.any():
        return None
    found = auroc_interval(labels, scores)
    return found.auroc, found.low, found.high


def _per_defect(groups: dict[str, list[ImageScore]]) -> list[dict[str, Any]]:
    """One line a category and label: how many there are, how many were flagged, how well they part from good."""
    lines = []
    for category, rows in groups.items():
        readable = [row for row in rows if not row.error]
        for label in sorted({row.sample.label for row in readable}):
            own = [row for row in readable if row.sample.label == label]
            flagged = sum(row.is_anomalous for row in own)
            low, high = binomial_interval(flagged, len(own))
            lines.append(
                {
                    "category": category,
                    "label": label,
                    "images": len(own),
                    "flagged": flagged,
                    "flagged_interval_95": [low, high],
                    "image_auroc": against_good(readable, label),
                }
            )
    return lines
