"""AUPIMO against a brute-force sweep of thresholds, and what bounded memory costs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from twinspect.errors import ConfigError, DataError
from twinspect.metrics import AupimoAccumulator, aupimo

RANGE = (0.02, 0.3)


def shared_rate(good, cut):
    return np.mean([np.mean(score_map >= cut) for score_map in good])


def by_steps(good, mask, score_map, low, high):
    """The overlap is a step function of the rate: integrate it piece by piece over the logarithm."""
    cuts = np.unique(np.concatenate([m.ravel() for m in [*good, score_map]]))[::-1]
    rates = np.array([shared_rate(good, cut) for cut in cuts])
    overlaps = np.array([np.mean(score_map[mask] >= cut) for cut in cuts])
    inner = np.unique(rates[(rates > low) & (rates < high)])
    edges = np.r_[low, inner, high]
    total = 0.0
    for left, right in pairwise(edges):
        allowed = overlaps[rates <= left]
        total += (allowed.max() if allowed.size else 0.0) * np.log(right / left)
    return total / np.log(high / low)


def scenes(seed, *, levels=None):
    rng = np.random.default_rng(seed)
    good = [rng.normal(size=(12, 10 + 3 * i)) for i in range(4)]
    masks = [rng.random((11, 9 + i)) < 0.2 for i in range(3)]
    bad = [rng.normal(size=mask.shape) + 2 * mask for mask in masks]
    if levels:
        good, bad = ([np.round(m * levels) for m in maps] for maps in (good, bad))
    return [m.astype(np.float32) for m in good], masks, [m.astype(np.float32) for m in bad]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [None, 3, 1])
@pytest.mark.parametrize("between", [RANGE, (1e-3, 1.0), (1e-5, 1e-4)])
def test_is_that_of_the_sweep(seed, levels, between):
    good, masks, bad = scenes(seed, levels=levels)
    values = aupimo(
        [None, *masks, *[np.zeros(m.shape, bool) for m in good[1:]]], [good[0], *bad, *good[1:]], between
    )
    expected = [by_steps(good, mask, m, *between) for mask, m in zip(masks, bad, strict=True)]
    assert values[1:4] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(np.r_[values[0], values[4:]]).all()


def test_by_hand():
    # Good pixels of two images: 1 of 4 at 5, 1 of 2 at 3. Rates: 5 -> 1/8, 3 -> 3/8. Defect pixels at 6, 4, 1.
    good = [np.array([[5.0, 0, 0, 0]]), np.array([[3.0, 0]])]
    score_map, mask = np.array([[6.0, 4.0, 1.0]]), np.ones((1, 3), bool)
    part = np.log(0.25 / 0.125) / np.log(0.25 / 0.0625)  # of the pixel at 4, found from a rate of 1/8 on
    values = aupimo([None, None, mask], [*good, score_map], (0.0625, 0.25))
    assert values[2] == pytest.approx((1 + part) / 3)


def test_only_what_lies_inside_counts():
    good, masks, bad = scenes(1)
    inside = [np.arange(m.size).reshape(m.shape) % 3 > 0 for m in [*good, *bad]]
    whole, cut = AupimoAccumulator(), AupimoAccumulator()
    for mask, score_map, look in zip([None] * 4 + masks, [*good, *bad], inside, strict=True):
        whole.add(mask, score_map, look)
        cut.add(None if mask is None else mask[look][None], score_map[look][None])
    np.testing.assert_array_equal(whole.compute(RANGE).images, cut.compute(RANGE).images)


def test_merged_is_together():
    good, masks, bad = scenes(2)
    parts, together = [AupimoAccumulator() for _ in range(2)], AupimoAccumulator()
    for number, (mask, score_map) in enumerate(zip([None] * 4 + masks, [*good, *bad], strict=True)):
        parts[number % 2].add(mask, score_map)
        together.add(mask, score_map)
    parts[0].merge(parts[1])
    assert sorted(parts[0].compute(RANGE).images) == pytest.approx(sorted(together.compute(RANGE).images))


def test_dropped_scores_do_not_change_it_while_the_range_is_covered(monkeypatch):
    good, masks, bad = scenes(3)
    exact = aupimo([None] * 4 + masks, [*good, *bad], RANGE)[4:]
    monkeypatch.setattr(
        "twinspect.metrics.per_image_overlap._MOST_GOOD", 200
    )  # of 696, so 29 % at least of those that count
    images = AupimoAccumulator()
    for mask, score_map in zip([None] * 4 + masks, [*good, *bad], strict=True):
        images.add(mask, score_map)
    assert images._good._held < 696
    found = images.compute((0.02, 0.2))
    assert found.error_bound == 0
    np.testing.assert_allclose(found.images, aupimo([None] * 4 + masks, [*good, *bad], (0.02, 0.2))[4:])
    wide = images.compute((0.02, 0.9))
    exact = aupimo([None] * 4 + masks, [*good, *bad], (0.02, 0.9))[4:]
    assert wide.error_bound > 0
    assert (np.abs(wide.images - exact) <= wide.error_bound).all()


def test_thinned_images_stay_within_their_bound(monkeypatch):
    good, masks, bad = scenes(4)
    exact = aupimo([None] * 4 + masks, [*good, *bad], RANGE)[4:]
    monkeypatch.setattr("twinspect.metrics.per_image_overlap._MOST_ANOMALOUS", 0)
    monkeypatch.setattr("twinspect.metrics.per_image_overlap._RANKS", 8)
    images = AupimoAccumulator()
    for mask, score_map in zip([None] * 4 + masks, [*good, *bad], strict=True):
        images.add(mask, score_map)
    found = images.compute(RANGE)
    assert found.error_bound == 1 / 8
    assert (np.abs(found.images - exact) <= 1 / 8).all()
    assert all(scores.size == 8 for scores in images._anomalous)


def test_undefined_without_good_images():
    assert np.isnan(aupimo([[[0, 1]]], [[[0.0, 1.0]]])).all()
    assert np.isnan(AupimoAccumulator().compute().mean)


@pytest.mark.parametrize("between", [(0, 0.1), (0.1, 0.1), (0.2, 0.1), (0.1, 1.1)])
def test_refuses_other_ranges(between):
    with pytest.raises(ConfigError, match="allowed: 0 < lowest < highest <= 1"):
        aupimo([None], [[[0.0]]], between)


def test_refuses_what_does_not_fit():
    with pytest.raises(DataError, match="1 masks came with 2"):
        aupimo([None], [[[0.0]], [[0.0]]])
    with pytest.raises(DataError, match="must be"):
        aupimo([[[0, 1]]], [[[0.0]]])
