"""What raw scores and maps of a labelled test set are worth, whatever the threshold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.data import open_data
from twinspect.data.pixels import read_truth
from twinspect.errors import DataError
from twinspect.evaluation.by_defect_type import BY_KIND, DefectTypeTable, DefectTypeTally
from twinspect.evaluation.by_object import OBJECT_AUROC
from twinspect.evaluation.metric_row import MetricRow, defined
from twinspect.metrics import (
    PixelAccumulator,
    PixelMetrics,
    SaturatedMetrics,
    auroc,
    average_precision,
    f1_max,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from twinspect.data import DataSet, DataSource, Sample
    from twinspect.inference.results import ImageScore

EXACT_PIXELS = 2**27
"""Pixel metrics are exact up to so many pixels over all categories (2048 maps of 256 x 256); beyond, binned.

Where regions have rules for the saturated PRO, half of that room is for it: half of that again for images as they
come, the rest for each kind of anomaly as it is joined with the good ones.
"""
POOLED = "pooled"
"""The line of all images at once, among those of the categories."""

QUALITY: Final = (
    *("image_auroc", "image_ap", "image_f1_max"),
    *("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro_30", "aupro_05"),
)
"""The metrics that need no threshold, in the order of ``metrics.json``."""
FURTHER: Final = (*BY_KIND, OBJECT_AUROC)
"""Metrics that only some test sets have, and no table of ``metrics.json``."""


@dataclass(frozen=True)
class Measured:
    """Pixel metrics of a test set.

    Attributes:
        categories: of each category that has masks.
        pooled: of all of them at once; ``None`` without masks.
        pixels: the accumulated pixels of all categories, for curves; ``None`` without masks.
        kinds: of each kind of anomaly, by category and label; only of categories with rules.
    """

    categories: dict[str, PixelMetrics]
    pooled: PixelMetrics | None
    pixels: PixelAccumulator | None
    kinds: dict[str, dict[str, SaturatedMetrics]]

    @property
    def error_bounds(self) -> dict[str, Any]:
        """How far a binned metric may be off, by category; empty where all are exact."""
        found = {**self.categories, POOLED: self.pooled} if self.pooled else self.categories
        return {name: asdict(each.error_bound) for name, each in found.items() if not each.exact}


class PixelTally:
    """Gathers the maps of a test set beside its masks, category by category.

    It holds at most ``EXACT_PIXELS`` scores, whatever is computed of them.

    Args:
        samples: the whole test set: a category has pixel metrics if any of its images has a mask.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        most = EXACT_PIXELS // 2 if any(sample.rules for sample in samples) else EXACT_PIXELS
        each = most // max(1, len({sample.category for sample in samples}))
        self._kinds = DefectTypeTally(samples, most)
        masked = sorted({sample.category for sample in samples if sample.mask is not None})
        self._pixels = {category: PixelAccumulator(exact_up_to=each) for category in masked}

    def add(self, row: ImageScore) -> NDArray[np.bool_] | None:
        """Take in an image with its map, and give its mask.

        A good image of a category with masks has an empty one; an unmarked defect has none, and does not count.

        Raises:
            DataError: a mask does not fit its image, or its rules.
        """
        pixels = self._pixels.get(row.sample.category)
        if row.map is None or pixels is None or not (row.sample.is_good or row.sample.masks):
            return None
        mask = read_truth(row.sample, (row.map.shape[0], row.map.shape[1]))
        pixels.add(mask, row.map)
        self._kinds.add(row.sample, row.map)
        return mask

    def compute(self) -> Measured:
        """Compute the metrics of each category and of all at once; nothing can be added afterwards."""
        kinds = self._kinds.compute()
        found = {name: pixels.compute() for name, pixels in self._pixels.items()}
        everything = _merged(self._pixels)
        pooled = next(iter(found.values()), None)
        if everything is not None and len(found) > 1:
            pooled = everything.compute()
        return Measured(found, pooled, everything, kinds)


def open_test_set(data: DataSource) -> DataSet:
    """Open a data set and keep its test split.

    Raises:
        DataError: there is none.
    """
    opened = open_data(data, split="test")
    samples = opened.split("test")
    if not samples:
        raise DataError(
            f"{opened.name}: no test images; expected test/good and test/<defect>, or split=test in a manifest"
        )
    return opened.with_samples(samples)


def by_category(rows: Iterable[ImageScore]) -> dict[str, list[ImageScore]]:
    """Group images by what they show, in the order of the names."""
    groups: dict[str, list[ImageScore]] = {}
    for row in rows:
        groups.setdefault(row.sample.category, []).append(row)
    return dict(sorted(groups.items()))


def quality(rows: Sequence[ImageScore], pixels: PixelMetrics | None) -> MetricRow:
    """Compute every metric that needs no threshold; what is undefined, such as pixel metrics without masks, is None.

    Args:
        rows: images; those that could not be read count in no metric.
        pixels: of the same images.
    """
    values = [pixels.auroc, pixels.ap, pixels.f1_max, pixels.aupro_30, pixels.aupro_05] if pixels else []
    found = [*_image_metrics(rows), *(values or [np.nan] * 5)]
    return {key: defined(value) for key, value in zip(QUALITY, found, strict=True)}


def _image_metrics(rows: Sequence[ImageScore]) -> list[float]:
    labels, scores = labels_and_scores(rows)
    if not len(scores):
        return [np.nan] * 3
    return [auroc(labels, scores), average_precision(labels, scores), f1_max(labels, scores)[0]]


def labels_and_scores(rows: Iterable[ImageScore]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Give which of the images that were read are anomalous, and their raw scores."""
    readable = [row for row in rows if not row.error]
    labels = np.array([not row.sample.is_good for row in readable], dtype=np.bool_)
    return labels, np.array([row.score for row in readable], dtype=np.float64)


def against_good(rows: Sequence[ImageScore], label: str) -> float | None:
    """Compute the image AUROC of one label's images against the good ones among some."""
    labels, scores = labels_and_scores(row for row in rows if row.sample.is_good or row.sample.label == label)
    return defined(auroc(labels, scores)) if len(scores) else None


def defect_type_table(groups: Mapping[str, Sequence[ImageScore]], measured: Measured) -> DefectTypeTable:
    """Lay out the metrics of each kind of anomaly.

    Args:
        groups: all images by category, see :func:`by_category`.
        measured: of the same images.
    """
    places = [(category, label) for category, own in measured.kinds.items() for label in own]
    return DefectTypeTable.of(
        measured.kinds, {place: against_good(groups[place[0]], place[1]) for place in places}
    )


def counts(rows: Sequence[ImageScore]) -> dict[str, int]:
    """Count the images that were read, and those that could not be."""
    return {
        "good": sum(row.sample.is_good and not row.error for row in rows),
        "anomalous": sum(not row.sample.is_good and not row.error for row in rows),
        "unreadable": sum(bool(row.error) for row in rows),
    }


def _merged(parts: dict[str, PixelAccumulator]) -> PixelAccumulator | None:
    """Put the pixels of all categories together, letting go of each part so that none is held twice."""
    if len(parts) <= 1:
        return next(iter(parts.values()), None)
    total = PixelAccumulator(exact_up_to=EXACT_PIXELS)
    for name in sorted(parts):
        total.merge(parts.pop(name))
    return total
