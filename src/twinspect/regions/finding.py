"""Regions of a map: what was found, as things with a place, a size and a strength.

A region is an 8-connected component of the pixels above a lower level that has a pixel above an upper one
(hysteresis): the upper level decides whether there is a region, the lower one how far it reaches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, SupportsFloat, TypeAlias

import numpy as np

from twinspect.errors import ConfigError, is_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

Points: TypeAlias = list[tuple[float, float]]

PACKAGES: Final = ("scipy", "skimage")
"""What finding regions takes beside NumPy."""
LEAST_MM: Final = 1e-6
MOST_MM: Final = 1e6
"""Sides of a pixel in millimetres: from a nanometre to a kilometre."""
_SQUARE_MM: Final = "mm2"
_EIGHT_CONNECTED: Final = np.ones((3, 3), dtype=np.bool_)
MOST_POINTS: Final = 200
"""Of an outline; of one with more corners, as many are taken evenly."""


@cache
def can_find_regions() -> bool:
    """Whether the packages are installed that find and outline them: an installation that only scores has neither."""
    return all(map(is_installed, PACKAGES))


class Levels(NamedTuple):
    """Values of a map.

    Attributes:
        high: a region has a pixel above it.
        low: all pixels of a region lie above it; at most ``high``.
    """

    high: float
    low: float

    @classmethod
    def between(cls, typical: float, threshold: float) -> Levels:
        """Let regions reach down to half way between the typical pixel of good images and the threshold."""
        return cls(threshold, min(threshold, (typical + threshold) / 2))


def _is_number(value: Any) -> bool:
    return isinstance(value, SupportsFloat) and not isinstance(value, bool)


@dataclass(frozen=True)
class RegionRules:
    """Which regions are left out, and the scale of sizes.

    Attributes:
        min_area: of a region, in pixels of the image; smaller ones are left out, though a small one may be a defect.
        mm_per_px: the side of a pixel in millimetres; ``None`` if not known.
    """

    min_area: float = 0.0
    mm_per_px: float | None = None

    @classmethod
    def of(cls, min_area: float | str = 0, mm_per_px: float | None = None) -> RegionRules:
        """Read them as they are typed.

        Args:
            min_area: in pixels, or in square millimetres: ``"0.5mm2"``.
            mm_per_px: the side of a pixel in millimetres.

        Raises:
            ConfigError: a size that is none, or square millimetres without a scale.
        """
        if mm_per_px is not None and not (_is_number(mm_per_px) and LEAST_MM <= mm_per_px <= MOST_MM):
            shown = f"{mm_per_px:g}" if _is_number(mm_per_px) else f"{mm_per_px!r}"
            raise ConfigError(
                f"--mm-per-px {shown}; allowed is a number from {LEAST_MM:g} to {MOST_MM:g}, for instance 0.05"
            )
        text = str(min_area).strip().lower().replace("²", "2")
        number, is_metric = text.removesuffix(_SQUARE_MM), text.endswith(_SQUARE_MM)
        try:
            area = float(number.removesuffix("px"))
        except ValueError:
            area = math.nan
        if not (math.isfinite(area) and area >= 0):
            raise ConfigError(
                f"--min-area {min_area}; allowed are 0 or more pixels, 20, or square millimetres, 0.5mm2"
            )
        if is_metric and mm_per_px is None:
            raise ConfigError(f"--min-area {min_area} needs the size of a pixel: --mm-per-px X")
        return cls(area / mm_per_px**2 if is_metric and mm_per_px else area, mm_per_px)


@dataclass(frozen=True)
class FoundRegion:
    """A region, in pixels of the image; x runs from the left and y from the top.

    Attributes:
        box: (x, y, width, height) of the pixels it covers.
        polygon: its outline, holes left out; at most :data:`MOST_POINTS` points.
        area_px: how many pixels it covers.
        area_mm2: the same in square millimetres; ``None`` without a scale.
        extent_px: the longer side of the rectangle of the smallest area that encloses it, whatever its direction.
        extent_mm: the same in millimetres; ``None`` without a scale.
        peak: the highest value of the map in it.
        mean: the mean value of the map in it.
        p_value: the share of good images that would show such a peak anywhere, in (0, 1].
        centre: (x, y) of the mean of its pixels.
        words: what is different there from good images, see :mod:`.describing`; empty where that is not sure.
        good_patch: (image, x, y): what it is most like in the good images that the model keeps: the number of the
            image, from 0, and where the upper left corner of the box would lie in it; ``None`` where none is alike.
    """

    box: tuple[int, int, int, int]
    polygon: Points
    area_px: int
    area_mm2: float | None
    extent_px: float
    extent_mm: float | None
    peak: float
    mean: float
    p_value: float
    centre: tuple[float, float]
    words: tuple[str, ...] = ()
    good_patch: tuple[int, int, int] | None = None

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lists = {
            "box": list(self.box),
            "polygon": [list(point) for point in self.polygon],
            "centre": list(self.centre),
            "words": list(self.words),
            "good_patch": None if self.good_patch is None else list(self.good_patch),
        }
        return {**vars(self), **lists}


def label_regions(
    anomaly_map: NDArray[np.float32],
    levels: Levels,
    *,
    inside: NDArray[np.bool_] | None = None,
    min_area: float = 0.0,
) -> NDArray[np.int32]:
    """Number the regions of a map.

    Args:
        anomaly_map: (H, W).
        levels: of the hysteresis.
        inside: (H, W) bool, the pixels that count; ``None`` for all.
        min_area: pixels that a region has at least.

    Returns:
        (H, W), from 1 on; 0 where there is none.
    """
    from scipy import ndimage  # noqa: PLC0415 - slow to import, and most images show nothing

    reached = anomaly_map > levels.low
    if inside is not None:
        reached &= inside
    labels, count = ndimage.label(reached, structure=_EIGHT_CONNECTED)
    kept = np.zeros(count + 1, dtype=np.bool_)
    kept[labels[anomaly_map > levels.high]] = True
    kept &= np.bincount(labels.ravel(), minlength=count + 1) >= min_area
    kept[0] = False  # what no region reaches
    renumbered = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    numbered: NDArray[np.int32] = renumbered[labels]
    return numbered


def find_regions(
    anomaly_map: NDArray[np.float32],
    levels: Levels,
    p_values: Callable[[Sequence[float]], ArrayLike],
    rules: RegionRules,
    inside: NDArray[np.bool_] | None = None,
) -> tuple[FoundRegion, ...]:
    """Find the regions of a map, the one with the highest peak first.

    Args:
        anomaly_map: (H, W) at the size of its image.
        levels: of the hysteresis.
        p_values: ranks peaks among those of good images' maps.
        rules: which are left out, and the scale.
        inside: (H, W) bool, the pixels that count; ``None`` for all.
    """
    counted = anomaly_map if inside is None else anomaly_map[inside]
    if not (counted > levels.high).any():  # nearly always, and the rest takes longer
        return ()
    from scipy import ndimage  # noqa: PLC0415

    labels = label_regions(anomaly_map, levels, inside=inside, min_area=rules.min_area)
    boxes = ndimage.find_objects(labels)
    if not boxes:
        return ()
    masks = [labels[box] == number for number, box in enumerate(boxes, start=1)]
    peaks = [float(anomaly_map[box][mask].max()) for box, mask in zip(boxes, masks, strict=True)]
    found = [
        _measure(mask, anomaly_map[box], (box[1].start, box[0].start), float(p_value), rules)
        for box, mask, p_value in zip(boxes, masks, np.asarray(p_values(peaks)), strict=True)
    ]
    return tuple(sorted(found, key=lambda region: (-region.peak, region.box)))


def _measure(
    mask: NDArray[np.bool_],
    values: NDArray[np.float32],
    corner: tuple[int, int],
    p_value: float,
    rules: RegionRules,
) -> FoundRegion:
    """Describe a region by its pixels within its box, whose upper left pixel is ``corner``."""
    area, extent, scale = int(mask.sum()), longest_extent(mask), rules.mm_per_px
    counted = values[mask].astype(np.float64)
    rows, columns = np.nonzero(mask)
    left, top = corner
    return FoundRegion(
        box=(left, top, mask.shape[1], mask.shape[0]),
        polygon=[(x + left, y + top) for x, y in outline(mask)],
        area_px=area,
        area_mm2=None if scale is None else area * scale**2,
        extent_px=extent,
        extent_mm=None if scale is None else extent * scale,
        peak=float(counted.max()),
        mean=float(counted.mean()),
        p_value=p_value,
        centre=(left + float(columns.mean()) + 0.5, top + float(rows.mean()) + 0.5),
    )


def outline(mask: NDArray[np.bool_]) -> Points:
    """Trace the outline of a component, (H, W), without its holes: (x, y) from the upper left corner of the mask."""
    from skimage.measure import find_contours  # noqa: PLC0415 - slow to import

    padded = np.pad(mask, 1).astype(np.float32)
    contours: list[Any] = find_contours(padded, 0.5, fully_connected="high")  # type: ignore[no-untyped-call]
    closed = max(contours, key=lambda line: float(np.ptp(line, axis=0).sum()))
    steps = np.diff(closed, axis=0)
    corners = closed[:-1][(steps != np.roll(steps, 1, axis=0)).any(axis=1)]
    kept = corners[np.linspace(0, len(corners), min(len(corners), MOST_POINTS), endpoint=False).astype(int)]
    # A value of the mask stands for the centre of its pixel, and the padding moves it by one.
    return [(float(x) - 0.5, float(y) - 0.5) for y, x in kept]


def longest_extent(mask: NDArray[np.bool_]) -> float:
    """Measure the longer side of the smallest rectangle around the pixels of a mask, (H, W), in pixels."""
    from scipy.spatial import ConvexHull  # noqa: PLC0415 - slow to import

    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    ends = [
        (x, y + down)
        for column in (first, last)
        for x, y in zip(column, rows, strict=True)
        for down in (0, 1)
    ]
    points = np.array(ends, dtype=np.float64)
    hull = points[ConvexHull(points).vertices]
    # A smallest rectangle has a side along one of the hull's.
    sides = np.roll(hull, -1, axis=0) - hull
    along = sides / np.linalg.norm(sides, axis=1, keepdims=True)
    lengths = np.ptp(hull @ along.T, axis=0), np.ptp(hull @ np.stack([-along[:, 1], along[:, 0]]), axis=0)
    smallest = int(np.argmin(lengths[0] * lengths[1]))
    return float(max(lengths[0][smallest], lengths[1][smallest]))
