"""Whether defects are found, as things: recall by their size, and average precision of the regions that are found.

A defect is an 8-connected component of one image's mask, what is found an 8-connected component of the pixels of its
map above a level. Both are compared in pixels of the image. A defect is hit if a found region shares a pixel with it.
For the average precision both are matched as in COCO (Lin et al. 2014, Microsoft COCO, ECCV; its evaluation code):
from the highest peak down, each found region takes the defect with the highest intersection over union (IoU) among
those still free, if that is high enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy import ndimage

from twinspect.metrics.decisions import binomial_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Interval = tuple[float, float]

IOUS: Final = (0.0, 0.1, 0.5)
"""The least IoU of a match: 0 for any shared pixel, which asks only where a defect is; 0.1 as where it matters that a
lesion is found and not how exactly it is outlined (Baumgartner et al. 2021, nnDetection, MICCAI), and 0.5 as in
Pascal VOC."""
SIZES: Final = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, np.inf)}
"""COCO's sizes of objects: area in pixels, the lower bound included."""
SHARES: Final = {"small": (0.0, 0.001), "medium": (0.001, 0.01), "large": (0.01, np.inf)}
"""Sizes as a share of the image's area."""
FOUND_SHARE: Final = 0.9
_RECALLS: Final = np.linspace(0, 1, 101)
_EIGHT_CONNECTED: Final = np.ones((3, 3), dtype=bool)


class Compared(NamedTuple):
    """The defects of one image, and what was found in it.

    Attributes:
        areas: (T,) int64, pixels of each defect.
        pixels: of the image.
        hit: (T,) bool, which of them a found region above the level shares a pixel with.
        peaks: (F,) float64, of each found region, in descending order.
        matched: (len(IOUS), F) bool, which of these are matched.
        above: how many of these are above the level.
        false: how many of those share no pixel with a defect.
    """

    areas: NDArray[np.int64]
    pixels: int
    hit: NDArray[np.bool_]
    peaks: NDArray[np.float64]
    matched: NDArray[np.bool_]
    above: int
    false: int


@dataclass(frozen=True)
class Recall:
    """How many defects of a range of sizes are hit.

    Attributes:
        at_least: area, in pixels or as a share of the image.
        below: area; infinite for the largest.
        defects: how many there are.
        hit: how many of them.
    """

    at_least: float
    below: float
    defects: int
    hit: int

    @property
    def share(self) -> float:
        """The recall, in [0, 1]; NaN without defects."""
        return self.hit / self.defects if self.defects else float("nan")

    @property
    def interval(self) -> Interval:
        """Both ends of its exact (Clopper-Pearson) 95 % interval; all shares without defects."""
        return binomial_interval(self.hit, self.defects) if self.defects else (0.0, 1.0)


@dataclass(frozen=True)
class RegionMetrics:
    """How well defects are found as things; NaN without any.

    Attributes:
        recall: of all defects.
        by_size: by name, for the ranges of :data:`SIZES`.
        by_share: by name, for the ranges of :data:`SHARES`.
        curve: recall by size: each range has twice the sides of the one before, from the smallest defect's on to the
            largest's; ranges without defects are among them.
        average_precision: by the least IoU of a match.
        found: regions above the level, of good images too.
        false: those of them that share no pixel with a defect.
    """

    recall: Recall = Recall(0, np.inf, 0, 0)
    by_size: dict[str, Recall] = field(default_factory=dict)
    by_share: dict[str, Recall] = field(default_factory=dict)
    curve: tuple[Recall, ...] = ()
    average_precision: dict[float, float] = field(default_factory=lambda: dict.fromkeys(IOUS, float("nan")))
    found: int = 0
    false: int = 0

    @property
    def found_from(self) -> float | None:
        """The smallest area, in pixels, from which on nine of ten defects are hit in each range of :attr:`curve`."""
        smallest = None
        for sizes in reversed(self._with_defects):
            if sizes.share < FOUND_SHARE:
                break
            smallest = sizes.at_least
        return smallest

    @property
    def of_largest(self) -> Recall | None:
        """Recall in the last range of :attr:`curve`; ``None`` without defects."""
        return self._with_defects[-1] if self._with_defects else None

    @property
    def _with_defects(self) -> list[Recall]:
        return [sizes for sizes in self.curve if sizes.defects]


def label_components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the 8-connected components of a mask, (H, W), from 1 on; 0 where it is false."""
    labels: NDArray[np.int32] = ndimage.label(mask, structure=_EIGHT_CONNECTED)[0]
    return labels


def compare_regions(
    defects: NDArray[np.int32],
    found: NDArray[np.int32],
    score_map: NDArray[Any],
    level: float,
) -> Compared:
    """Compare what was found in an image with its defects.

    Args:
        defects: (H, W), the number of the defect that each pixel belongs to, from 1 on; 0 for none. Numbers without a
            pixel do not count.
        found: (H, W), the same of found regions, whatever their peaks.
        score_map: (H, W).
        level: regions with a peak above it count as found where there is a decision; all others only rank.
    """
    where = np.flatnonzero(found)
    regions, values = found.ravel()[where], score_map.ravel()[where]
    areas, region_areas = np.bincount(defects.ravel()), np.bincount(regions, minlength=1)
    peaks = np.full(region_areas.size, -np.inf)
    np.maximum.at(peaks, regions, values)
    order = np.argsort(-peaks[1:], kind="stable") + 1
    ranks = np.empty(peaks.size, np.int64)
    ranks[order] = np.arange(order.size)
    defect, region, shared = _shared_pixels(defects.ravel()[where], regions, peaks.size)
    ious = shared / (areas[defect] + region_areas[region] - shared)
    is_above = peaks[region] > level
    there = np.flatnonzero(areas[1:]) + 1
    above = int((peaks[1:] > level).sum())
    return Compared(
        areas[there],
        defects.size,
        np.isin(there, defect[is_above]),
        peaks[order],
        np.stack([_match(defect, ranks[region], ious, least, order.size) for least in IOUS]),
        above,
        above - np.unique(region[is_above]).size,
    )


def _shared_pixels(
    defects: NDArray[np.int32], regions: NDArray[np.int32], numbers: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """List the defects and found regions that overlap, each pair with its number of pixels.

    Args:
        defects: (N,) of each pixel that was found; 0 for none.
        regions: (N,) of each, below ``numbers``.
        numbers: how many numbers of regions there are.
    """
    both = np.flatnonzero(defects)
    codes = defects[both].astype(np.int64) * numbers + regions[both]
    pairs, shared = np.unique(codes, return_counts=True)
    return pairs // numbers, pairs % numbers, shared


def _match(
    defects: NDArray[np.int64],
    ranks: NDArray[np.int64],
    ious: NDArray[np.float64],
    least: float,
    found: int,
) -> NDArray[np.bool_]:
    """Tell which found regions are matched.

    Args:
        defects: (P,) of each overlapping pair.
        ranks: (P,) how many found regions have a higher peak than that of the pair.
        ious: (P,) of the pair.
        least: IoU of a match.
        found: how many regions were found.
    """
    taken: set[int] = set()
    matched = np.zeros(found, np.bool_)
    close = np.flatnonzero(ious >= least)
    for pair in close[np.lexsort((-ious[close], ranks[close]))]:
        if not matched[ranks[pair]] and defects[pair] not in taken:
            matched[ranks[pair]] = True
            taken.add(int(defects[pair]))
    return matched


def region_metrics(images: Sequence[Compared]) -> RegionMetrics:
    """Compute the metrics of some images, good ones among them."""
    if not images:
        return RegionMetrics()
    areas = np.concatenate([image.areas for image in images])
    shares = np.concatenate([image.areas / image.pixels for image in images])
    hit = np.concatenate([image.hit for image in images])
    peaks = np.concatenate([image.peaks for image in images])
    matched = np.concatenate([image.matched for image in images], axis=1)[
        :, np.argsort(-peaks, kind="stable")
    ]
    return RegionMetrics(
        recall=_recall((0.0, np.inf), areas, hit),
        by_size={name: _recall(between, areas, hit) for name, between in SIZES.items()},
        by_share={name: _recall(between, shares, hit) for name, between in SHARES.items()},
        curve=_curve(areas, hit),
        average_precision={
            least: _average_precision(flags, areas.size) for least, flags in zip(IOUS, matched, strict=True)
        },
        found=sum(image.above for image in images),
        false=sum(image.false for image in images),
    )


def _recall(between: Interval, sizes: NDArray[Any], hit: NDArray[np.bool_]) -> Recall:
    inside = (sizes >= between[0]) & (sizes < between[1])
    return Recall(*between, int(inside.sum()), int(hit[inside].sum()))


def _curve(areas: NDArray[np.int64], hit: NDArray[np.bool_]) -> tuple[Recall, ...]:
    if not areas.size:
        return ()
    first, last = (int(np.log2(area)) // 2 for area in (areas.min(), areas.max()))
    return tuple(_recall((4.0**power, 4.0 ** (power + 1)), areas, hit) for power in range(first, last + 1))


def _average_precision(matched: NDArray[np.bool_], defects: int) -> float:
    """Compute COCO's average precision: the highest precision at each of 101 recalls or above it, averaged.

    Args:
        matched: (F,), in descending order of peaks.
        defects: how many there are.
    """
    if not defects:
        return float("nan")
    hits = np.cumsum(matched)
    precision = np.append(hits / np.arange(1, hits.size + 1), 0.0)  # beyond the highest recall it is 0
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float(highest[np.searchsorted(hits / defects, _RECALLS, side="left")].mean())
