"""What raw scores and maps of a labelled test set are worth, whatever the threshold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import numpy as np

from twinspect.data import open_data
from twinspect.data.truth import read_truth
from twinspect.errors import DataError
from twinspect.metrics import PixelAccumulator, PixelMetrics, auroc, average_precision, f1_max

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from twinspect.data import DataSet, DataSource, Sample

EXACT_PIXELS = 2**27
"""Pixel metrics are exact up to so many pixels over all categories (2048 maps of 256 x 256); beyond, binned."""
POOLED = "pooled"
"""The line of all images at once, among those of the categories."""

QUALITY: Final = (
    *("image_auroc", "image_ap", "image_f1_max"),
    *("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro_30", "aupro_05"),
)
"""The metrics that need no threshold, in the order of ``metrics.json``."""


class Scored(Protocol):
    """An image with its raw score and map, however it was judged."""

    @property
    def sample(self) -> Sample:
        """The image."""

    @property
    def score(self) -> float:
        """Unbounded, higher is more anomalous."""

    @property
    def map(self) -> NDArray[np.float32] | None:
        """(H, W) at the image's own size."""

    @property
    def error(self) -> str:
        """Why the image could not be read; empty if it could."""


ScoredT = TypeVar("ScoredT", bound=Scored)


@dataclass(frozen=True)
class Measured:
    """Pixel metrics of a test set.

    Attributes:
        categories: of each category that has masks.
        pooled: of all of them at once; ``None`` without masks.
        pixels: the accumulated pixels of all categories, for curves; ``None`` without masks.
    """

    categories: dict[str, PixelMetrics]
    pooled: PixelMetrics | None
    pixels: PixelAccumulator | None

    @property
    def error_bounds(self) -> dict[str, Any]:
        """How far a binned metric may be off, by category; empty where all are exact."""
        found = {**self.categories, POOLED: self.pooled} if self.pooled else self.categories
        return {name: asdict(each.error_bound) for name, each in found.items() if not each.exact}


class PixelTally:
    """Gathers the maps of a test set beside its masks, category by category.

    Args:
        samples: the whole test set: a category has pixel metrics if any of its images has a mask.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        each = EXACT_PIXELS // max(1, len({sample.category for sample in samples}))
        masked = sorted({sample.category for sample in samples if sample.mask is not None})
        self._pixels = {category: PixelAccumulator(exact_up_to=each) for category in masked}

    def add(self, row: Scored) -> NDArray[np.bool_] | None:
        """Take in an image with its map, and give its mask.

        A good image of a category with masks has an empty one; an unmarked defect has none, and does not count.

        Raises:
            DataError: a mask does not fit its image.
        """
        pixels = self._pixels.get(row.sample.category)
        if row.map is None or pixels is None or not (row.sample.is_good or row.sample.masks):
            return None
        mask = read_truth(row.sample, (row.map.shape[0], row.map.shape[1]))
        pixels.add(mask, row.map)
        return mask

    def compute(self) -> Measured:
        """Compute the metrics of each category and of all at once; nothing can be added afterwards."""
        found = {name: pixels.compute() for name, pixels in self._pixels.items()}
        everything = _merged(self._pixels)
        pooled = next(iter(found.values()), None)
        if everything is not None and len(found) > 1:
            pooled = everything.compute()
        return Measured(found, pooled, everything)


def tested(data: DataSource) -> DataSet:
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


def by_category(rows: Iterable[ScoredT]) -> dict[str, list[ScoredT]]:
    """Group images by what they show, in the order of the names."""
    groups: dict[str, list[ScoredT]] = {}
    for row in rows:
        groups.setdefault(row.sample.category, []).append(row)
    return dict(sorted(groups.items()))


def quality(rows: Sequence[Scored], pixels: PixelMetrics | None) -> dict[str, float | None]:
    """Compute every metric that needs no threshold; what is undefined, such as pixel metrics without masks, is None.

    Args:
        rows: images; those that could not be read count in no metric.
        pixels: of the same images.
    """
    values = [pixels.auroc, pixels.ap, pixels.f1_max, pixels.aupro_30, pixels.aupro_05] if pixels else []
    found = [*_image_metrics(rows), *(values or [np.nan] * 5)]
    return {key: defined(value) for key, value in zip(QUALITY, found, strict=True)}


def _image_metrics(rows: Sequence[Scored]) -> list[float]:
    labels, scores = labels_and_scores(rows)
    if not len(scores):
        return [np.nan] * 3
    return [auroc(labels, scores), average_precision(labels, scores), f1_max(labels, scores)[0]]


def labels_and_scores(rows: Iterable[Scored]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Give which of the images that were read are anomalous, and their raw scores."""
    readable = [row for row in rows if not row.error]
    labels = np.array([not row.sample.is_good for row in readable], dtype=np.bool_)
    return labels, np.array([row.score for row in readable], dtype=np.float64)


def counts(rows: Sequence[Scored]) -> dict[str, int]:
    """Count the images that were read, and those that could not be."""
    return {
        "good": sum(row.sample.is_good and not row.error for row in rows),
        "anomalous": sum(not row.sample.is_good and not row.error for row in rows),
        "unreadable": sum(bool(row.error) for row in rows),
    }


def mean(values: Iterable[float | None]) -> float | None:
    """Average what is defined; ``None`` where nothing is."""
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def defined(value: float) -> float | None:
    """Turn NaN, which says that a metric is undefined, into ``None``."""
    return None if np.isnan(value) else float(value)


def _merged(parts: dict[str, PixelAccumulator]) -> PixelAccumulator | None:
    """Put the pixels of all categories together, letting go of each part so that none is held twice."""
    if len(parts) <= 1:
        return next(iter(parts.values()), None)
    total = PixelAccumulator(exact_up_to=EXACT_PIXELS)
    for name in sorted(parts):
        total.merge(parts.pop(name))
    return total
