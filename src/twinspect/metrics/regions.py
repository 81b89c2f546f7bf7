"""PRO: how much of each defect is found, every defect counting the same whatever its size.

The per-region overlap (PRO) at a threshold is the share of a ground-truth region's pixels that score at or
above it, averaged over all regions of all images. A region is an 8-connected component of one image's mask.
PRO is drawn against the false-positive rate: the share of all good pixels, of all images together, at or
above the threshold. AUPRO is the area under that curve up to a false-positive rate ``limit``, divided by
``limit``.

No thresholds are picked: a pixel of a region of area A, one of R, lifts the curve by 1 / (R A) at its own
score and keeps it lifted, so what it adds to the area depends only on how many good pixels score above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import ndimage

from twinspect.errors import DataError
from twinspect.metrics._accumulator import collect_pixels
from twinspect.metrics._checks import as_booleans, as_scores, check_limit
from twinspect.metrics._curves import NO_CURVE, Curve, check_points, corners, thin, truncate
from twinspect.metrics._steps import WeightedMean, area
from twinspect.metrics._stores import Pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from twinspect.metrics._stores import BinnedStore, ExactStore

_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)
_PAIRED: Final = ("masks", "one mask a map, None where an image has no defect")


def aupro(masks: Sequence[ArrayLike | None], maps: Sequence[ArrayLike], limit: float = 0.3) -> float:
    """Compute the normalised area under the PRO curve, exactly.

    The trapezoid rule through every distinct threshold, with linear interpolation at the limit.

    Args:
        masks: for each image (H, W) bool or 0/1, 1 is anomalous; None for an image without defects. An
            (N, H, W) array will do.
        maps: for each image (H, W) float32 or float64, finite, unbounded; higher is more anomalous. Sizes may
            differ between images.
        limit: false-positive rate to integrate up to, in (0, 1].

    Returns:
        A value in [0, 1], or NaN when there is no region or no good pixel.

    Raises:
        ConfigError: the limit is outside (0, 1].
        DataError: no images, unequal numbers or shapes, masks other than 0/1, scores NaN or infinite.

    >>> aupro([[[0, 0, 1]]], [[[0.1, 0.5, 0.4]]])  # one of two good pixels scores above the defect
    0.0
    >>> aupro([[[0, 0, 1]]], [[[0.1, 0.5, 0.4]]], limit=1.0)
    0.5
    """
    check_limit(limit)
    return area_of(collect_pixels(masks, maps, split_pixels, *_PAIRED), limit)


def pro_curve(
    masks: Sequence[ArrayLike | None], maps: Sequence[ArrayLike], limit: float = 1.0, points: int = 500
) -> Curve:
    """Give the PRO curve as a polyline to draw.

    Args:
        masks: as in :func:`aupro`.
        maps: as in :func:`aupro`.
        limit: false-positive rate to end the curve at, in (0, 1], by linear interpolation.
        points: the most vertices to return, at least 4. Every vertex is one of the exact curve's (the end at
            the limit apart). With the default, up to 65536 anomalous pixels no dropped vertex is further than
            0.003 from the drawn line; more of them are first joined in groups of equal number.

    Returns:
        False-positive rate ``x`` and PRO ``y``, from (0, 0); both empty without a region or a good pixel.

    Raises:
        ConfigError: the limit is outside (0, 1], or fewer than 4 points.
        DataError: as in :func:`aupro`.
    """
    check_limit(limit)
    check_points(points)
    return curve_of(collect_pixels(masks, maps, split_pixels, *_PAIRED), limit, points)


def area_of(store: ExactStore, limit: float) -> float:
    """Give the normalised area under the PRO curve of all pixels held, NaN without a region or a good pixel."""
    if not (store.n_good and store.n_anomalous):
        return float("nan")
    mean = WeightedMean()
    for rows in store.steps():
        mean.add(area(rows, limit)[1], rows.weight)
    return float(mean.value)


def curve_of(store: ExactStore | BinnedStore, limit: float, points: int) -> Curve:
    """Give the PRO curve of all pixels held, to draw; no points without a region or a good pixel."""
    if not (store.n_good and store.n_anomalous):
        return NO_CURVE
    rows = store.joined()
    return thin(truncate(corners(rows, rows.weight), limit), points)


def split_pixels(mask: ArrayLike | None, score_map: ArrayLike, inside: ArrayLike | None = None) -> Pixels:
    """Sort the pixels of one image into good and anomalous ones, with the areas of their regions.

    Args:
        mask: (H, W) bool or 0/1, or None for an image without defects.
        score_map: (H, W) float32 or float64, finite.
        inside: (H, W) bool or 0/1, the pixels that count; None for all. Regions are cut off at its border.

    Returns:
        Copies; the caller may reuse both arrays.

    Raises:
        DataError: other shapes, masks other than 0/1, scores NaN or infinite.
    """
    scores = as_map(score_map)
    counted = np.ones(scores.shape, np.bool_) if inside is None else as_mask(inside, scores)
    if mask is None:
        return Pixels(scores[counted], scores[:0].flatten(), np.empty(0, np.int32), 0)
    flags = as_mask(mask, scores) & counted
    areas, n_regions = _region_areas(flags)
    return Pixels(scores[~flags & counted], scores[flags], areas, n_regions)


def as_map(score_map: ArrayLike) -> NDArray[Any]:
    """Read the (H, W) finite scores of one image."""
    scores = as_scores(score_map, "score map")
    if scores.ndim != 2:
        raise DataError(f"a score map of shape {scores.shape} came; allowed: (H, W), one image at a time")
    return scores


def as_mask(mask: ArrayLike, scores: NDArray[Any]) -> NDArray[np.bool_]:
    """Read a mask that belongs to a map."""
    flags = as_booleans(mask, "mask")
    if flags.shape != scores.shape:
        raise DataError(
            f"a mask of shape {flags.shape} came with a score map of shape {scores.shape}; they must be "
            "equal: resize the map to the mask, or the mask to the map by nearest neighbour"
        )
    return flags


def _region_areas(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Give the area of the region of each anomalous pixel, in row-major order, and the number of regions."""
    labels, n_regions = ndimage.label(mask, structure=_EIGHT_CONNECTED)
    of_pixels = labels[mask]
    return np.bincount(of_pixels).astype(np.int32)[of_pixels], int(n_regions)
