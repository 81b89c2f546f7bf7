"""PRO as the code of RD and AAND computes it: a curve an image, from picked thresholds, averaged over the images.

It is no estimate of :func:`twinspect.metrics.aupro`, which is MVTec AD's own definition: every image counts the same
however many regions it has, and an image's good pixels are compared with its own defects alone. It is here because
published numbers are in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.integrate import trapezoid

from twinspect.errors import DataError
from twinspect.metrics._checks import check_limit
from twinspect.metrics.regions import split_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

THRESHOLDS: Final = 200
"""How many the authors pick, evenly spaced from an image's lowest value up to, but without, its highest."""


def aupro_per_image(
    masks: Sequence[ArrayLike | None], maps: Sequence[ArrayLike], limit: float = 0.3
) -> float:
    """Average :func:`aupro_of_image` over the images in which it is defined.

    Args:
        masks: for each image (H, W) bool or 0/1, 1 is anomalous; ``None`` for an image without defects, which does
            not count.
        maps: for each image (H, W) float32 or float64, finite, unbounded; higher is more anomalous.
        limit: false-positive rate to integrate up to, in (0, 1].

    Returns:
        A value in [0, 1], or NaN where no image has one.

    Raises:
        ConfigError: the limit is outside (0, 1].
        DataError: no images, unequal numbers or shapes, masks other than 0/1, scores NaN or infinite.
    """
    if len(masks) != len(maps) or not len(maps):
        raise DataError(
            f"{len(masks)} masks came with {len(maps)} score maps; allowed: one mask a map, and at least one"
        )
    values = [aupro_of_image(mask, scores, limit) for mask, scores in zip(masks, maps, strict=True)]
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def aupro_of_image(mask: ArrayLike | None, score_map: ArrayLike, limit: float = 0.3) -> float:
    """Compute the area under the PRO curve of one image by the authors' thresholds.

    At each threshold the share of each 8-connected region above it, averaged over the regions, is set against the
    share of good pixels above it. Of the points whose false-positive rate is below the limit, the rates are divided
    by the largest, and the trapezoid rule is applied between the outermost.

    Args:
        mask: (H, W) bool or 0/1, 1 is anomalous; ``None`` for an image without defects.
        score_map: (H, W) float32 or float64, finite, unbounded; higher is more anomalous.
        limit: as for :func:`aupro_per_image`.

    Returns:
        A value in [0, 1]; NaN without defects, without good pixels, and where no point below the limit has a
        false-positive rate above 0.

    Raises:
        ConfigError: the limit is outside (0, 1].
        DataError: unequal shapes, a mask other than 0/1, scores NaN or infinite.
    """
    check_limit(limit)
    pixels = split_pixels(mask, score_map)
    good, anomalous = pixels.good, pixels.anomalous
    if not good.size or not anomalous.size:
        return float("nan")
    lowest, highest = min(good.min(), anomalous.min()), max(good.max(), anomalous.max())
    thresholds = np.linspace(float(lowest), float(highest), THRESHOLDS, endpoint=False)
    rates = _weight_above(good, np.ones(good.size), thresholds) / good.size
    overlaps = _weight_above(anomalous, 1.0 / pixels.areas, thresholds) / pixels.n_regions
    inside = rates < limit
    if not rates[inside].any():
        return float("nan")
    return float(trapezoid(overlaps[inside][::-1], rates[inside][::-1] / rates[inside].max()))


def _weight_above(
    scores: NDArray[Any], weights: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add up the weights of the scores above each threshold."""
    order = np.argsort(scores)
    above = np.concatenate([np.cumsum(weights[order][::-1])[::-1], [0.0]])
    weight: NDArray[np.float64] = above[np.searchsorted(scores[order], thresholds, side="right")]
    return weight
