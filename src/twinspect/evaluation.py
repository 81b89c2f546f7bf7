"""Evaluation: score a labelled test set once and compute every metric on the raw scores."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.data import open_data
from twinspect.errors import DataError
from twinspect.images import read_mask
from twinspect.metrics import (
    DEFINITIONS,
    PixelAccumulator,
    PixelMetrics,
    auroc,
    auroc_interval,
    average_precision,
    binomial_interval,
    f1_max,
    false_alarm_rate,
    mean_interval,
    miss_rate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from twinspect.calibration import Calibration
    from twinspect.data import DataSource
    from twinspect.judging import Judge
    from twinspect.scores import ImageScore

EXACT_PIXELS = 2**27
"""Pixel metrics are exact up to so many pixels over all categories (2048 maps of 256 x 256); beyond, binned."""
POOLED = "pooled"
"""The line of all images at once, among those of the categories."""
METRICS = tuple(DEFINITIONS)
"""The keys of every table of metrics, in the order they are shown."""


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
    """

    rows: list[ImageScore]
    categories: dict[str, dict[str, float | None]]
    mean: dict[str, float | None]
    pooled: dict[str, float | None]
    defects: list[dict[str, Any]]
    pixels: PixelAccumulator | None = field(repr=False)
    error_bounds: dict[str, Any]
    resolution: str

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values: what ``metrics.json`` holds about the data."""
        return {
            "categories": self.categories,
            "mean": self.mean,
            "pooled": self.pooled,
            "defects": self.defects,
            "images": {
                "good": sum(row.sample.is_good and not row.error for row in self.rows),
                "anomalous": sum(not row.sample.is_good and not row.error for row in self.rows),
                "unreadable": sum(bool(row.error) for row in self.rows),
            },
            "resolution": self.resolution,
            "error_bounds": self.error_bounds,
            "definitions": DEFINITIONS,
        }


def evaluate(
    detector: Judge,
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
    test = open_data(data, split="test")
    samples = test.split("test")
    if not samples:
        raise DataError(
            f"{test.name}: no test images; expected test/good and test/<defect>, or split=test in a manifest"
        )
    each = EXACT_PIXELS // max(1, len(test.categories))
    pixels = {category: PixelAccumulator(exact_up_to=each) for category in test.categories}
    with_masks = {sample.category for sample in samples if sample.mask is not None}
    rows = []
    for row in detector.stream(test.with_samples(samples)):
        mask = _mask(row, with_masks)
        if mask is not None and row.map is not None:
            pixels[row.sample.category].add(mask, row.map)
        if watch:
            watch(row, mask)
        rows.append(replace(row, map=None))
    return _summarise(rows, {name: pixels.pop(name) for name in sorted(with_masks)}, detector.calibration_)


def _mask(row: ImageScore, with_masks: set[str]) -> NDArray[np.bool_] | None:
    """Read a mask; a good image of a category with masks has an empty one, an unmarked defect has none."""
    if row.map is None or row.sample.category not in with_masks:
        return None
    if row.sample.mask is not None:
        return read_mask(row.sample.mask, row.map.shape)
    return np.zeros(row.map.shape, dtype=np.bool_) if row.sample.is_good else None


def _summarise(
    rows: list[ImageScore], pixels: dict[str, PixelAccumulator], calibration: Calibration
) -> Evaluation:
    groups: dict[str, list[ImageScore]] = defaultdict(list)
    for row in rows:
        groups[row.sample.category].append(row)
    found = {name: accumulator.compute() for name, accumulator in pixels.items()}
    everything = _merged(pixels)
    pooled = next(iter(found.values()), None)
    if everything is not None and len(found) > 1:
        pooled = everything.compute()
    categories = {
        name: _metrics(group, found.get(name), calibration.of(name).threshold)
        for name, group in sorted(groups.items())
    }
    return Evaluation(
        rows=rows,
        categories=categories,
        mean=_means(categories.values()),
        pooled=_metrics(rows, pooled, calibration.threshold),
        defects=_per_defect(groups),
        pixels=everything,
        error_bounds=_error_bounds({**found, POOLED: pooled} if pooled else found),
        resolution="each image at its own size",
    )


def _metrics(
    rows: Sequence[ImageScore], pixels: PixelMetrics | None, threshold: float
) -> dict[str, float | None]:
    """Compute one line of the table; what is undefined, such as pixel metrics without masks, is ``None``."""
    labels, scores, _ = _arrays(rows)
    flagged = scores > threshold
    values: dict[str, float | None] = {"threshold": threshold}
    if len(scores):
        interval = auroc_interval(labels, scores)
        values |= {
            "image_auroc": auroc(labels, scores),
            "image_auroc_low": interval.low,
            "image_auroc_high": interval.high,
            "image_ap": average_precision(labels, scores),
            "image_f1_max": f1_max(labels, scores)[0],
            "false_alarm_rate": false_alarm_rate(labels, flagged),
            "miss_rate": miss_rate(labels, flagged),
        }
    if pixels is not None:
        values |= {
            "pixel_auroc": pixels.auroc,
            "pixel_ap": pixels.ap,
            "pixel_f1_max": pixels.f1_max,
            "aupro_30": pixels.aupro_30,
            "aupro_05": pixels.aupro_05,
        }
    return {key: _number(values.get(key)) for key in METRICS}


def _arrays(rows: Iterable[ImageScore]) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]]:
    readable = [row for row in rows if not row.error]
    labels = np.array([not row.sample.is_good for row in readable], dtype=np.bool_)
    scores = np.array([row.score for row in readable], dtype=np.float64)
    return labels, scores, np.array([row.is_anomalous for row in readable], dtype=np.bool_)


def _per_defect(groups: dict[str, list[ImageScore]]) -> list[dict[str, Any]]:
    """One line a category and label: how many there are, how many were flagged, how well they part from good."""
    lines = []
    for category, rows in sorted(groups.items()):
        readable = [row for row in rows if not row.error]
        good = [row for row in readable if row.sample.is_good]
        for label in sorted({row.sample.label for row in readable}):
            own = [row for row in readable if row.sample.label == label]
            labels, scores, _ = _arrays([*good, *own])
            flagged = sum(row.is_anomalous for row in own)
            low, high = binomial_interval(flagged, len(own))
            lines.append(
                {
                    "category": category,
                    "label": label,
                    "images": len(own),
                    "flagged": flagged,
                    "flagged_interval_95": [low, high],
                    "image_auroc": _number(auroc(labels, scores)),
                }
            )
    return lines


def _merged(parts: dict[str, PixelAccumulator]) -> PixelAccumulator | None:
    """Put the pixels of all categories together, letting go of each part so that none is held twice."""
    if len(parts) <= 1:
        return next(iter(parts.values()), None)
    total = PixelAccumulator(exact_up_to=EXACT_PIXELS)
    for name in sorted(parts):
        total.merge(parts.pop(name))
    return total


def _error_bounds(pixels: dict[str, PixelMetrics]) -> dict[str, Any]:
    return {name: asdict(found.error_bound) for name, found in pixels.items() if not found.exact}


def _means(lines: Iterable[dict[str, float | None]]) -> dict[str, float | None]:
    """Give the mean of each metric over the categories that have it, and the interval of that of the AUROC."""
    tables = list(lines)
    means = {key: _mean([values[key] for values in tables]) for key in METRICS}
    keys = ("image_auroc", "image_auroc_low", "image_auroc_high")
    known = [[values[key] for key in keys] for values in tables if values["image_auroc"] is not None]
    if known:
        columns = np.array(known, dtype=np.float64).T
        means["image_auroc_low"], means["image_auroc_high"] = mean_interval(*columns)
    return means


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
