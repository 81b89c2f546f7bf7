"""Evaluation: score a labelled test set once and compute every metric on the raw scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from twinspect.evaluation.by_defect_type import DefectTypeTable
from twinspect.evaluation.by_object import ObjectErrors, object_errors, object_rows, objects_record
from twinspect.evaluation.image_scores import (
    by_category,
    count_images,
    count_not_inspectable,
    count_regions,
    labels_and_scores,
    of_label_or_good,
)
from twinspect.evaluation.labelled_set import PixelTally, compute_metrics, open_test_set
from twinspect.evaluation.learnt_overlap import LearntOverlap, find_near_duplicates, leave_out_learnt
from twinspect.evaluation.metric_row import MetricRow, defined, mean_row
from twinspect.evaluation.region_tally import RegionTable
from twinspect.evaluation.shifts import ShiftResult, evaluate_shifts
from twinspect.evaluation.truth_check import check_truth
from twinspect.metrics import (
    DEFINITIONS,
    FURTHER_DEFINITIONS,
    auroc,
    auroc_interval,
    binomial_interval,
    mean_interval,
)
from twinspect.regions.finding import RegionRules
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.data import DataSet, DataSource
    from twinspect.evaluation.labelled_set import PixelResults
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore
    from twinspect.metrics import PixelAccumulator

    Watch = Callable[[ImageScore, NDArray[np.bool_] | None], None]

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
    """The results of an evaluation.

    Attributes:
        rows: every image with its raw score and decision; maps are not kept.
        categories: the metrics of each category; without a threshold those that need none.
        mean: the mean of each metric over the categories that have it.
        pooled: the metrics over all images at once: one scale of scores, the pooled threshold.
        defects: per category and label: images, how many were flagged, and AUROC against the good ones; empty without
            a threshold.
        pixels: the accumulated pixels of all categories, for curves; ``None`` without masks.
        error_bounds: how far a binned pixel metric may be off, by category; empty where all are exact.
        resolution: at which size maps and masks were compared, in words.
        intervals: of the image AUROC, of each row above; see :class:`Intervals`.
        defect_types: metrics by defect type; empty where no category has saturation rules.
        objects: metrics of objects by category; empty where no image says which object it shows.
        object_errors: wrong decisions on objects by category; empty likewise, and without a threshold.
        overlap: good test images that are not new to the model.
        outside_roi: how many anomalous images were left out since all that their masks mark lies outside of the
            region of interest.
        regions: how well defects are found as things.
        shifts: the errors on images as they are, and under changes that a line sees; empty if not asked for.
    """

    rows: list[ImageScore]
    categories: dict[str, MetricRow]
    mean: MetricRow
    pooled: MetricRow
    defects: list[dict[str, Any]]
    pixels: PixelAccumulator | None = field(repr=False)
    error_bounds: dict[str, Any]
    resolution: str
    intervals: Intervals
    defect_types: DefectTypeTable
    objects: dict[str, MetricRow]
    overlap: LearntOverlap = field(default_factory=LearntOverlap)
    shifts: tuple[ShiftResult, ...] = ()
    outside_roi: int = 0
    regions: RegionTable = field(default_factory=RegionTable)
    object_errors: dict[str, ObjectErrors] = field(default_factory=dict)

    @property
    def full_categories(self) -> dict[str, MetricRow]:
        """Each category's metrics, those included that only some test sets have."""
        return {
            name: row | self.defect_types.categories.get(name, {}) | self.objects.get(name, {})
            for name, row in self.categories.items()
        }

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values: what ``metrics.json`` holds about the data."""
        return {
            "categories": self.categories,
            "mean": self.mean,
            "pooled": self.pooled,
            "defects": self.defects,
            "images": count_images(self.rows),
            "not_inspectable": count_not_inspectable(self.rows),
            "learnt_from": self.overlap.to_record(),
            "resolution": self.resolution,
            "error_bounds": self.error_bounds,
            "intervals": {
                "image_auroc": asdict(self.intervals),
                "definition": FURTHER_DEFINITIONS["image_auroc_interval"],
            },
            "saturated_pro": self.defect_types.to_record(),
            "objects": objects_record(self.objects, self.object_errors),
            "definitions": DEFINITIONS,
            **({"regions": regions} if (regions := self._regions_record()) else {}),
            **({"outside_roi": self.outside_roi} if self.outside_roi else {}),
            **({"shifts": [result.to_record() for result in self.shifts]} if self.shifts else {}),
        }

    def _regions_record(self) -> dict[str, Any]:
        return count_regions(self.rows) | self.regions.to_record()


def evaluate(
    detector: BaseDetector,
    data: DataSource,
    *,
    watch: Watch | None = None,
    shifts: bool = False,
    held_out: bool = False,
) -> Evaluation:
    """Score the test split of a data set and compute every metric; the arguments are those of ``twinspect.evaluate``.

    Raises:
        DataError: there is no test split, nothing new in it, or a mask does not fit its image.
    """
    test, overlap = leave_out_learnt(detector, open_test_set(data), held_out=held_out)
    check_truth(test)
    hashed = detector.learnt_ is not None
    scores = detector.stream(test, perceptual_hashes=hashed, regions=RegionRules())
    evaluation = evaluate_scores(test, scores, detector.calibration_, watch=watch)
    near = find_near_duplicates(detector, evaluation.rows)
    scored = test.with_samples([row.sample for row in evaluation.rows])
    shifted = evaluate_shifts(detector, scored, evaluation.rows) if shifts else ()
    return replace(evaluation, overlap=replace(overlap, near_duplicates=near), shifts=shifted)


def evaluate_scores(
    test: DataSet,
    images: Iterable[ImageScore],
    calibration: Calibration | None = None,
    *,
    watch: Watch | None = None,
) -> Evaluation:
    """Compute every metric of a test set as its images are scored.

    Args:
        test: the test set.
        images: all of its images with their maps, in any order; each is needed only until the next one comes.
        calibration: of the decisions; ``None`` for raw scores without a threshold, which leaves out what needs one.
        watch: as for :func:`evaluate`.

    Raises:
        DataError: a mask does not fit its image.
    """
    tally = PixelTally(test.samples, calibration)
    rows, outside = [], 0
    for image in images:
        mask = tally.add(image)
        if image.inside is not None and mask is not None and not (image.sample.is_good or mask.any()):
            outside += 1
            continue
        if watch:
            watch(image, mask)
        rows.append(replace(image, map=None, inside=None))
    announce("computing the metrics")
    return replace(_summarise(rows, tally.compute(), calibration), outside_roi=outside)


def _summarise(
    rows: list[ImageScore], pixel_results: PixelResults, calibration: Calibration | None
) -> Evaluation:
    groups = by_category(rows)
    categories = {
        name: compute_metrics(
            group, pixel_results.categories.get(name), calibration.of(name).threshold if calibration else None
        )
        for name, group in groups.items()
    }
    return Evaluation(
        rows=rows,
        categories=categories,
        mean=mean_row(list(categories.values())),
        pooled=compute_metrics(rows, pixel_results.pooled, calibration.threshold if calibration else None),
        defects=_per_defect(groups) if calibration else [],
        pixels=pixel_results.pixels,
        error_bounds=pixel_results.error_bounds,
        resolution="each image at its own size",
        intervals=_intervals(groups, rows),
        defect_types=DefectTypeTable.compute(pixel_results.defect_types, groups),
        objects=object_rows(groups),
        regions=pixel_results.regions,
        object_errors=object_errors(groups) if calibration else {},
    )


def _intervals(groups: dict[str, list[ImageScore]], rows: Sequence[ImageScore]) -> Intervals:
    intervals = {name: _interval(group) for name, group in groups.items()}
    known = [interval for interval in intervals.values() if interval is not None]
    pooled = _interval(rows)
    return Intervals(
        categories={name: interval and interval[1:] for name, interval in intervals.items()},
        mean=mean_interval(*zip(*known, strict=True)) if known else None,
        pooled=pooled and pooled[1:],
    )


def _interval(rows: Sequence[ImageScore]) -> tuple[float, float, float] | None:
    """Return an image AUROC and both ends of its interval; ``None`` where it is undefined."""
    labels, scores = labels_and_scores(rows)
    if labels.all() or not labels.any():
        return None
    interval = auroc_interval(labels, scores)
    return interval.auroc, interval.low, interval.high


def _per_defect(groups: dict[str, list[ImageScore]]) -> list[dict[str, Any]]:
    """Return a row a category and label: how many images, how many flagged, how well they separate from good ones.

    Images that could not be inspected are counted apart, since nothing was decided on them.
    """
    rows = []
    for category, images in groups.items():
        readable = [image for image in images if not image.error]
        for label in sorted({image.sample.label for image in readable}):
            labelled = [image for image in readable if image.sample.label == label]
            decisions = [image.is_anomalous for image in labelled if image.is_inspectable]
            flagged = sum(decisions)
            interval = binomial_interval(flagged, len(decisions)) if decisions else (0.0, 1.0)
            rows.append(
                {
                    "category": category,
                    "label": label,
                    "images": len(decisions),
                    "flagged": flagged,
                    "flagged_interval_95": list(interval),
                    "not_inspectable": len(labelled) - len(decisions),
                    "image_auroc": defined(auroc(*labels_and_scores(of_label_or_good(readable, label)))),
                }
            )
    return rows
