"""Metrics of the raw scores and maps of a labelled test set, with maps gathered in bounded memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.data import open_data
from twinspect.data.pixels import read_truth
from twinspect.errors import DataError
from twinspect.evaluation.by_defect_type import DefectTypeTally
from twinspect.evaluation.image_scores import labels_and_scores
from twinspect.evaluation.metric_row import MetricRow, compute_row
from twinspect.evaluation.region_tally import RegionTable, RegionTally
from twinspect.metrics import PixelAccumulator, PixelMetrics, SaturatedMetrics
from twinspect.metrics.definitions import METRIC_TABLE, MetricInputs, Need

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.calibration.conformal import Calibration
    from twinspect.data import DataSet, DataSource, Sample
    from twinspect.inference.results import ImageScore

EXACT_PIXELS = 2**27
"""Pixel metrics are exact up to so many pixels over all categories (2048 maps of 256 x 256); beyond, binned.

Where regions have rules for the saturated PRO, half of that room is for it: half of that again for images as they
come, the rest for each defect type as it is joined with the good images.
"""
POOLED = "pooled"
"""The row of all images at once, among those of the categories."""
SCORE_NEEDS: Final[tuple[Need, ...]] = ("image labels", "pixel masks")
"""What metrics of raw scores and maps need, whatever the threshold."""
THRESHOLD_NEEDS: Final[tuple[Need, ...]] = ("threshold",)
"""What metrics of decisions need."""


@dataclass(frozen=True)
class PixelResults:
    """Pixel metrics of a test set.

    Attributes:
        categories: of each category that has masks.
        pooled: of all of them at once; ``None`` without masks.
        pixels: the accumulated pixels of all categories, for curves; ``None`` without masks.
        defect_types: of each defect type, by category and label; only of categories with saturation rules.
        regions: how well defects are found as things.
    """

    categories: dict[str, PixelMetrics]
    pooled: PixelMetrics | None
    pixels: PixelAccumulator | None
    defect_types: dict[str, dict[str, SaturatedMetrics]]
    regions: RegionTable

    @property
    def error_bounds(self) -> dict[str, Any]:
        """How far a binned metric may be off, by category; empty where all are exact."""
        rows = {**self.categories, POOLED: self.pooled} if self.pooled else self.categories
        return {name: asdict(metrics.error_bound) for name, metrics in rows.items() if not metrics.exact}


class PixelTally:
    """Gathers the maps of a test set beside its masks, category by category.

    It holds at most ``EXACT_PIXELS`` scores, computing included.

    Args:
        samples: the whole test set: a category has pixel metrics if any of its images has a mask.
        calibration: says from which value on a map shows a region; ``None`` if nothing does.
    """

    def __init__(self, samples: Sequence[Sample], calibration: Calibration | None = None) -> None:
        most = EXACT_PIXELS // 2 if any(sample.rules for sample in samples) else EXACT_PIXELS
        most_each = most // max(1, len({sample.category for sample in samples}))
        self._defect_types = DefectTypeTally(samples, most)
        masked = sorted({sample.category for sample in samples if sample.mask is not None})
        self._pixels = {category: PixelAccumulator(exact_up_to=most_each) for category in masked}
        self._regions = RegionTally(masked, calibration)

    def add(self, image: ImageScore) -> NDArray[np.bool_] | None:
        """Add an image with its map, and return its mask.

        A good image of a category with masks has an empty one; an anomalous image without a mask has none, and does
        not count. Where there is a region of interest, only what the mask marks in it is returned and counted.

        Raises:
            DataError: a mask does not fit its image, or its rules.
        """
        pixels = self._pixels.get(image.sample.category)
        if image.map is None or pixels is None or not (image.sample.is_good or image.sample.masks):
            return None
        mask = read_truth(image.sample, (image.map.shape[0], image.map.shape[1]))
        self._regions.add(image, mask)
        if image.inside is None:
            pixels.add(mask, image.map)
            self._defect_types.add(image.sample, image.map)
            return mask
        mask &= image.inside
        if (
            image.sample.is_good or mask.any()
        ):  # else its defects lie outside, and the image has no part in this
            pixels.add(mask, image.map, image.inside)
        return mask

    def compute(self) -> PixelResults:
        """Compute the metrics of each category and of all at once; nothing can be added afterwards."""
        defect_types = self._defect_types.compute()
        categories = {name: pixels.compute() for name, pixels in self._pixels.items()}
        merged = _merged(self._pixels)
        pooled = next(iter(categories.values()), None)
        if merged is not None and len(categories) > 1:
            pooled = merged.compute()
        return PixelResults(categories, pooled, merged, defect_types, self._regions.compute())


def open_test_set(data: DataSource) -> DataSet:
    """Open a data set and keep its test split.

    Raises:
        DataError: there is none, or it is not known which of its images are good.
    """
    opened = open_data(data, split="test")
    if opened.doubt:
        raise opened.doubt
    samples = opened.split("test")
    if not samples:
        raise DataError(
            f"{opened.name}: no test images; expected test/good and test/<defect>, or split=test in a manifest"
        )
    return opened.with_samples(samples)


def compute_metrics(
    images: Sequence[ImageScore], pixels: PixelMetrics | None, threshold: float | None = None
) -> MetricRow:
    """Compute a row of the table of metrics; an undefined metric, such as a pixel metric without masks, is ``None``.

    Args:
        images: all images of the row. Unreadable ones count in no metric; those that cannot be inspected, on which
            nothing was decided, in none that needs a threshold.
        pixels: metrics of the pixels of the same images; ``None`` without masks.
        threshold: score above which an image is called anomalous; ``None`` leaves out the metrics that need one.
    """
    labels, scores = labels_and_scores(images)
    pixels = pixels or PixelMetrics()
    if threshold is None:
        return compute_row(SCORE_NEEDS, MetricInputs(labels, scores, pixels=pixels))
    decided = labels_and_scores(image for image in images if image.is_inspectable)
    computed = compute_row(SCORE_NEEDS, MetricInputs(labels, scores, pixels=pixels))
    computed |= compute_row(THRESHOLD_NEEDS, MetricInputs(*decided, threshold))
    return {metric.key: computed[metric.key] for metric in METRIC_TABLE if metric.key in computed}


def _merged(parts: dict[str, PixelAccumulator]) -> PixelAccumulator | None:
    """Merge the pixels of all categories, freeing each part so that none is held twice."""
    if len(parts) <= 1:
        return next(iter(parts.values()), None)
    total = PixelAccumulator(exact_up_to=EXACT_PIXELS)
    for name in sorted(parts):
        total.merge(parts.pop(name))
    return total
