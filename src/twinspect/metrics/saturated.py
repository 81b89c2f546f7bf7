"""Saturated PRO: a defect counts as found once enough of its region is, for defects without one exact location.

Where something is missing, every place where it could have been is marked, and a method that points at one of them
has found it. So each region A has a saturation area s, in pixels: its overlap with the pixels P at or above a
threshold is sPRO = min(|A ∩ P| / s, 1), and regions are averaged (Bergmann, Batzner, Fauser, Sattlegger and Steger
2022, Beyond Dents and Scratches: Logical Constraints in Unsupervised Anomaly Detection and Localization, IJCV 130,
947-969, the section on the performance metric). The curve is drawn against the share of good pixels, those in no
region, of all images together, at or above the threshold. With s equal to the area of every region it is PRO.

No thresholds are picked. As the threshold falls, only the first s pixels of a region lift its sPRO, each by 1 / s,
the last one by what is left where s is no whole number. These pixels, so weighted, go the way of those of PRO.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import ConfigError, DataError
from twinspect.metrics._accumulator import Accumulator, check_float32, collect_pixels
from twinspect.metrics._checks import check_limit
from twinspect.metrics._curves import Curve, check_points
from twinspect.metrics._steps import WeightedMean, area
from twinspect.metrics._stores import Pixels
from twinspect.metrics.regions import area_of, as_map, as_mask, curve_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_PAIRED: Final = ("lists of regions", "one list of regions a map, empty where an image has no defect")


@dataclass(frozen=True, eq=False)
class SaturatedRegion:
    """One defect of one image. It need not be connected, and may share pixels with others.

    In MVTec LOCO AD a region is one file of ``ground_truth/<kind>/<image>/``, and the two settings are
    ``saturation_threshold`` and ``relative_saturation`` of ``defects_config.json``.

    Attributes:
        mask: (H, W) bool or 0/1, 1 where the region is; at least one pixel.
        saturation: how much of the region is enough: pixels above 0, the whole region where it is smaller; or with
            ``relative`` a share of the region in (0, 1].
        relative: whether ``saturation`` is a share of the region.

    Raises:
        ConfigError: a saturation outside its range.
    """

    mask: ArrayLike
    saturation: float
    relative: bool = False

    def __post_init__(self) -> None:
        if self.relative and not 0 < self.saturation <= 1:
            raise ConfigError(f"saturation={self.saturation!r} of a region; allowed: a share in (0, 1]")
        if not 0 < self.saturation < float("inf"):
            raise ConfigError(f"saturation={self.saturation!r}; allowed: pixels, more than 0")

    def enough_of(self, pixels: int) -> float:
        """Return the saturation area of a region of so many pixels, in pixels and not rounded."""
        return self.saturation * pixels if self.relative else min(self.saturation, pixels)


@dataclass(frozen=True)
class SaturatedMetrics:
    """Areas under the saturated PRO curve; NaN without a region or a good pixel.

    Attributes:
        auspro: area up to each false-positive rate asked for, divided by that rate, in [0, 1].
        error_bound: how far each can be from the exact one; proven, not estimated, and zero when it is exact.
        n_regions: regions counted.
        exact: whether every score was held, or bins of scores.
    """

    auspro: dict[float, float] = field(default_factory=dict)
    error_bound: dict[float, float] = field(default_factory=dict)
    n_regions: int = 0
    exact: bool = True


class SaturatedAccumulator(Accumulator):
    """Gathers regions and score maps image by image in bounded memory, as :class:`PixelAccumulator` does.

    Args:
        exact_up_to: pixels to hold; past that they are counted in 2**22 bins of fixed place and
            :class:`SaturatedMetrics` states how far each value can be from the exact one. The default, 2**27,
            is 2048 images of 256 x 256 and 0.5 GB of scores.

    Raises:
        ConfigError: a negative number of pixels.

    >>> pixels = SaturatedAccumulator()
    >>> pixels.add([SaturatedRegion([[0, 1, 1]], saturation=1)], np.array([[0.1, 0.9, 0.0]], np.float32))
    >>> pixels.add([], np.array([[0.3, 0.1]], np.float32))
    >>> pixels.compute().auspro[0.05]
    1.0
    """

    def add(self, regions: Sequence[SaturatedRegion], score_map: NDArray[np.float32]) -> None:
        """Add one image.

        Args:
            regions: its defects; none for a good image.
            score_map: (H, W) float32 (or float16), finite, unbounded; higher is more anomalous. Copied.

        Raises:
            DataError: other shapes or types, an empty region, scores NaN or infinite. Nothing is added.
        """
        check_float32(score_map)
        self._take(split_regions(regions, score_map))

    def compute(self, limits: Sequence[float] = (0.05, 0.3)) -> SaturatedMetrics:
        """Compute the areas of the images so far; more may be added afterwards.

        Args:
            limits: false-positive rates to integrate up to, each in (0, 1].

        Raises:
            ConfigError: a limit outside (0, 1].
        """
        for limit in limits:
            check_limit(limit)
        store = self._store
        if not (store.n_good and store.n_anomalous):
            nothing = dict.fromkeys(limits, float("nan"))
            return SaturatedMetrics(nothing, dict.fromkeys(limits, 0.0), store.n_regions, store.exact)
        means = {limit: WeightedMean() for limit in limits}
        for rows in store.steps():
            for limit, mean in means.items():
                mean.add(area(rows, limit), rows.weight)
        values = {limit: float(mean.value[1]) for limit, mean in means.items()}
        bounds = {limit: 0.0 if store.exact else mean.reach for limit, mean in means.items()}
        return SaturatedMetrics(values, bounds, store.n_regions, store.exact)

    def curve(self, limit: float = 1.0, points: int = 500) -> Curve:
        """Give the saturated PRO curve to draw; see :func:`spro_curve`."""
        check_limit(limit)
        check_points(points)
        return curve_of(self._store, limit, points)


def auspro(
    regions: Sequence[Sequence[SaturatedRegion]], maps: Sequence[ArrayLike], limit: float = 0.05
) -> float:
    """Compute the normalised area under the saturated PRO curve, exactly.

    The trapezoid rule through every distinct threshold, with linear interpolation at the limit.

    Args:
        regions: for each image its defects; an empty list for a good image.
        maps: for each image (H, W) float32 or float64, finite, unbounded; higher is more anomalous. Sizes may
            differ between images.
        limit: false-positive rate to integrate up to, in (0, 1]; 0.05 in the tables of the paper.

    Returns:
        A value in [0, 1], or NaN when there is no region or no good pixel.

    Raises:
        ConfigError: the limit is outside (0, 1].
        DataError: no images, unequal numbers or shapes, an empty region, scores NaN or infinite.

    >>> half = SaturatedRegion([[1, 1, 0, 0]], saturation=0.5, relative=True)
    >>> auspro([[half]], [[[0.9, 0.0, 0.5, 0.4]]])
    1.0
    """
    check_limit(limit)
    return area_of(collect_pixels(regions, maps, split_regions, *_PAIRED), limit)


def spro_curve(
    regions: Sequence[Sequence[SaturatedRegion]],
    maps: Sequence[ArrayLike],
    limit: float = 1.0,
    points: int = 500,
) -> Curve:
    """Give the saturated PRO curve as a polyline to draw.

    Args:
        regions: as in :func:`auspro`.
        maps: as in :func:`auspro`.
        limit: false-positive rate to end the curve at, in (0, 1], by linear interpolation.
        points: the most vertices to return, at least 4; see :func:`twinspect.metrics.pro_curve`.

    Returns:
        False-positive rate ``x`` and saturated PRO ``y``, from (0, 0); both empty without a region or a good pixel.

    Raises:
        ConfigError: the limit is outside (0, 1], or fewer than 4 points.
        DataError: as in :func:`auspro`.
    """
    check_limit(limit)
    check_points(points)
    return curve_of(collect_pixels(regions, maps, split_regions, *_PAIRED), limit, points)


def split_regions(regions: Sequence[SaturatedRegion], score_map: ArrayLike) -> Pixels:
    """Sort the pixels of one image into good ones and those that lift the sPRO of a region.

    Args:
        regions: the defects of the image.
        score_map: (H, W) float32 or float64, finite.

    Returns:
        Copies; a pixel is there once for each region that it lifts.

    Raises:
        DataError: other shapes, an empty region, masks other than 0/1, scores NaN or infinite.
    """
    scores = as_map(score_map)
    masks = [as_mask(region.mask, scores) for region in regions]
    if not all(mask.any() for mask in masks):
        raise DataError("a region without a pixel came; leave it out, or give an empty list for a good image")
    rising = [_rising(scores[mask], region) for mask, region in zip(masks, regions, strict=True)]
    good = ~np.any([*masks, np.zeros(scores.shape, bool)], axis=0)
    anomalous = np.concatenate([scores[:0].ravel(), *[chosen for chosen, _ in rising]])
    return Pixels(scores[good], anomalous, np.concatenate([[], *[areas for _, areas in rising]]), len(masks))


def _rising(scores: NDArray[Any], region: SaturatedRegion) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Give the highest scores of a region, up to its saturation, and for each 1 / (its part of the sPRO)."""
    enough = region.enough_of(scores.size)
    chosen = np.sort(scores)[::-1][: ceil(enough)]
    return chosen, enough / np.minimum(enough - np.arange(chosen.size), 1.0)
