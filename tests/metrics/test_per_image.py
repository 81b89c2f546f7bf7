"""PRO by image, beside the authors' procedure written out with scikit-image and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from skimage.measure import label, regionprops
from sklearn.metrics import auc

from twinspect.errors import ConfigError, DataError
from twinspect.metrics import aupro, aupro_of_image, aupro_per_image


def by_brute_force(mask: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], limit: float) -> float:
    """Threshold by threshold, region by region, pixel by pixel."""
    low, high = float(scores.min()), float(scores.max())
    points = []
    for number in range(200):
        above = scores.astype(np.float64) > low + number * (high - low) / 200
        overlaps = [
            above[tuple(region.coords.T)].sum() / region.area
            for region in regionprops(label(mask.astype(int)))
        ]
        points.append((above[mask == 0].sum() / (mask == 0).sum(), np.mean(overlaps)))
    kept = [(rate, overlap) for rate, overlap in points if rate < limit]
    largest = max(rate for rate, _ in kept)
    return float(auc([rate / largest for rate, _ in kept], [overlap for _, overlap in kept]))


def drawn(seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A few overlapping and touching rectangles, and a map that finds some of them."""
    random = np.random.default_rng(seed)
    mask = np.zeros((40, 52), np.uint8)
    for _ in range(random.integers(1, 6)):
        top, left = random.integers(0, 34), random.integers(0, 44)
        mask[top : top + random.integers(1, 7), left : left + random.integers(1, 9)] = 1
    scores = random.gamma(2, 1, mask.shape) + mask * random.uniform(0, 4, mask.shape)
    return mask, scores.astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("limit", [0.3, 0.05])
def test_it_is_the_authors_number(seed: int, limit: float) -> None:
    mask, scores = drawn(seed)
    assert aupro_of_image(mask, scores, limit) == pytest.approx(by_brute_force(mask, scores, limit), abs=1e-9)


def test_the_mean_is_over_images_with_defects_and_differs_from_the_official_one() -> None:
    pairs = [drawn(seed) for seed in range(5)]
    masks: list[Any] = [None, *(mask for mask, _ in pairs)]
    maps = [drawn(9)[1], *(scores for _, scores in pairs)]
    expected = np.mean([by_brute_force(mask, scores, 0.3) for mask, scores in pairs])
    assert aupro_per_image(masks, maps) == pytest.approx(expected, abs=1e-9)
    louder = [
        5.0**number * scores for number, scores in enumerate(maps)
    ]  # one scale for all matters to the other
    assert aupro_per_image(masks, louder) == pytest.approx(aupro_per_image(masks, maps), abs=1e-3)
    assert aupro(masks, louder) < aupro(masks, maps) - 0.05


def test_a_rescaled_map_has_the_same_value() -> None:
    mask, scores = drawn(3)
    assert aupro_of_image(mask, 8 * scores - 4) == pytest.approx(aupro_of_image(mask, scores), abs=1e-3)


def test_where_it_is_undefined_it_is_nan() -> None:
    mask, scores = drawn(1)
    assert np.isnan(aupro_of_image(None, scores))
    assert np.isnan(aupro_of_image(np.zeros_like(mask), scores))
    assert np.isnan(aupro_of_image(np.ones_like(mask), scores))
    assert np.isnan(aupro_of_image(mask, np.ones_like(scores)))  # nothing is above the only value
    assert np.isnan(aupro_of_image(mask, mask.astype(np.float32)))  # no good pixel is ever above a threshold
    assert np.isnan(aupro_per_image([None], [scores]))


def test_mistakes_are_named() -> None:
    mask, scores = drawn(1)
    with pytest.raises(ConfigError, match="limit"):
        aupro_of_image(mask, scores, 0)
    with pytest.raises(DataError, match="2 masks came with 1"):
        aupro_per_image([mask, mask], [scores])
    with pytest.raises(DataError, match="shape"):
        aupro_of_image(mask[1:], scores)
