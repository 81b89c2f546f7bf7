"""Saturated PRO against a brute-force sweep of every distinct threshold, and against AUPRO."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from twinspect.errors import ConfigError, DataError
from twinspect.metrics import (
    PixelAccumulator,
    SaturatedAccumulator,
    SaturatedRegion,
    aupro,
    auspro,
    pro_curve,
    spro_curve,
)

LIMITS = (0.05, 0.3, 1.0, 0.001)


def sweep(regions, maps):
    """Saturated PRO at every distinct threshold, from the definition."""
    alarms, overlaps = [], []
    for cut in np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]:
        flagged = good = 0
        found = []
        for own, score_map in zip(regions, maps, strict=True):
            anywhere = np.zeros(score_map.shape, bool)
            for region in own:
                area = region.mask.sum()
                enough = region.saturation * area if region.relative else min(region.saturation, area)
                found.append(min((region.mask & (score_map >= cut)).sum() / enough, 1.0))
                anywhere |= region.mask
            flagged += (~anywhere & (score_map >= cut)).sum()
            good += (~anywhere).sum()
        alarms.append(flagged / good)
        overlaps.append(np.mean(found))
    return np.r_[0.0, alarms], np.r_[0.0, overlaps]


def under(x, y, limit):
    inside = np.count_nonzero(x <= limit)
    ends = ([], []) if inside == x.size else ([limit], [np.interp(limit, *at_jump(x, y, inside))])
    x, y = np.r_[x[:inside], ends[0]], np.r_[y[:inside], ends[1]]
    return ((y[1:] + y[:-1]) / 2 @ np.diff(x)) / limit


def at_jump(x, y, inside):
    return x[inside - 1 : inside + 1], y[inside - 1 : inside + 1]


def scenes(seed, n=4, side=12, levels=None):
    """Maps of differing sizes, with regions that overlap, are in pieces, and saturate in every allowed way."""
    rng = np.random.default_rng(seed)
    regions, maps = [], []
    for i in range(n):
        shape = (side + i, side - i % 3)
        own = [
            SaturatedRegion(rng.random(shape) < 0.1, saturation, relative)
            for saturation, relative in [(3, False), (2.5, False), (0.4, True), (10**6, False)][: i + 1]
        ]
        raised = sum((region.mask for region in own), np.zeros(shape))
        score_map = rng.normal(size=shape) + raised
        maps.append((np.round(score_map * levels / 4) if levels else score_map).astype(np.float32))
        regions.append(own)
    return [[], *regions[1:]], maps


def components(masks):
    found = []
    for mask in masks:
        numbered = label(mask, connectivity=2)
        found.append([numbered == i for i in range(1, numbered.max() + 1)])
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [None, 20, 3, 1])
@pytest.mark.parametrize("limit", LIMITS)
def test_is_that_of_the_sweep(seed, levels, limit):
    regions, maps = scenes(seed, levels=levels)
    assert auspro(regions, maps, limit) == pytest.approx(under(*sweep(regions, maps), limit), abs=1e-10)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize("whole", [{"saturation": 1.0, "relative": True}, {"saturation": 10**9}])
def test_saturated_by_the_whole_region_it_is_aupro(seed, levels, whole):
    rng = np.random.default_rng(seed)
    masks = [rng.random((20, 20 + i)) < 0.2 * (i > 0) for i in range(4)]
    maps = [np.round((rng.normal(size=m.shape) + m) * (levels or 1e9)).astype(np.float32) for m in masks]
    regions = [[SaturatedRegion(mask, **whole) for mask in own] for own in components(masks)]
    for limit in LIMITS:
        assert auspro(regions, maps, limit) == pytest.approx(aupro(masks, maps, limit), abs=1e-14)
    for ours, theirs in zip(spro_curve(regions, maps), pro_curve(masks, maps), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-14)


def test_by_hand():
    # Two of four marked pixels are enough. Good pixels at 3.5, 2; marked ones at 4, 3, 1, 0: sPRO 1/2 up to
    # FPR 1/2, then 1, though half of the region is never found.
    region = SaturatedRegion(np.array([[1, 0, 1, 1, 0, 1]]), 2)
    score_map = [[4.0, 3.5, 3.0, 1.0, 2.0, 0.0]]
    assert auspro([[region]], [score_map], 0.5) == pytest.approx(0.5)
    assert auspro([[region]], [score_map], 1.0) == pytest.approx(0.75)


def test_a_saturation_below_one_pixel_is_reached_by_the_first():
    mask = np.array([[1, 1, 0]])
    for region in (SaturatedRegion(mask, 0.3), SaturatedRegion(mask, 0.01, relative=True)):
        assert auspro([[region]], [[[1.0, -1.0, 0.0]]]) == 1.0


def test_less_saturation_never_lowers_it():
    regions, maps = scenes(5)
    values = [
        auspro([[SaturatedRegion(r.mask, share, relative=True) for r in own] for own in regions], maps)
        for share in (1.0, 0.7, 0.4, 0.1)
    ]
    assert values == sorted(values)
    assert values[0] < values[-1]


@pytest.mark.parametrize("levels", [None, 6])
def test_curve_is_that_of_the_sweep(levels):
    regions, maps = scenes(6, levels=levels)
    fpr, spro = sweep(regions, maps)
    x, y = spro_curve(regions, maps, points=100_000)
    theirs = {(round(a, 12), round(b, 12)) for a, b in zip(fpr, spro, strict=True)}
    assert {(round(a, 12), round(b, 12)) for a, b in zip(x, y, strict=True)} <= theirs
    cut = spro_curve(regions, maps, limit=0.05, points=100_000)
    assert cut.x[-1] == 0.05
    assert under(*cut, 0.05) == pytest.approx(auspro(regions, maps, 0.05), abs=1e-12)


def filled(regions, maps, exact_up_to=2**27):
    pixels = SaturatedAccumulator(exact_up_to)
    for own, score_map in zip(regions, maps, strict=True):
        pixels.add(own, score_map)
    return pixels


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("levels", [None, 6])
def test_accumulator_is_exact_until_it_bins_and_within_its_bound_then(seed, levels):
    regions, maps = scenes(seed, levels=levels)
    exact, binned = (filled(regions, maps, held).compute(LIMITS) for held in (2**27, 0))
    assert (exact.exact, binned.exact) == (True, False)
    assert exact.n_regions == binned.n_regions == sum(map(len, regions))
    for limit in LIMITS:
        value = auspro(regions, maps, limit)
        assert exact.auspro[limit] == pytest.approx(value, abs=1e-12)
        assert exact.error_bound[limit] == 0.0
        assert abs(binned.auspro[limit] - value) <= binned.error_bound[limit] + 1e-12
    # Values apart rarely share a bin; equal ones always do, and a bin cannot tell that they are equal.
    assert binned.error_bound[1.0] < 1e-3 if levels is None else binned.error_bound[1.0] > 1e-3


@pytest.mark.parametrize("first", [0, 2**27])
@pytest.mark.parametrize("second", [0, 2**27])
def test_merging_is_adding(first, second):
    regions, maps = scenes(7)
    left, right = filled(regions[:2], maps[:2], first), filled(regions[2:], maps[2:], second)
    left.merge(right)
    whole = filled(regions, maps, min(first, second)).compute()
    assert left.compute().auspro == pytest.approx(whole.auspro, abs=1e-12)
    assert left.compute().exact == whole.exact


def test_accumulators_of_other_kinds_do_not_mix():
    with pytest.raises(ConfigError, match="a PixelAccumulator came; allowed: another SaturatedAccumulator"):
        SaturatedAccumulator().merge(PixelAccumulator())


def test_curve_of_the_accumulator_is_the_same():
    regions, maps = scenes(8)
    for ours, theirs in zip(filled(regions, maps).curve(0.3), spro_curve(regions, maps, 0.3), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_without_regions_or_good_pixels_it_is_undefined():
    ones = np.ones((2, 2), np.float32)
    for own in ([], [SaturatedRegion(np.ones((2, 2), bool), 1)]):
        assert np.isnan(auspro([own], [ones]))
        assert spro_curve([own], [ones]).x.size == 0
        found = filled([own], [ones]).compute()
        assert np.isnan(list(found.auspro.values())).all()
        assert found.n_regions == len(own)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "saturation=0; allowed: pixels, more than 0"),
        ((float("nan"),), "saturation=nan"),
        ((1.5, True), r"saturation=1.5 of a region; allowed: a share in \(0, 1\]"),
    ],
)
def test_saturations_outside_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        SaturatedRegion(np.ones((1, 1)), *arguments)


@pytest.mark.parametrize(
    ("regions", "maps", "message"),
    [
        ([], [], "0 lists of regions came with 0 score maps"),
        ([[]], [[[0.0]], [[0.0]]], "1 lists of regions came with 2 score maps"),
        ([[SaturatedRegion([[0, 0]], 1)]], [[[0.0, 1.0]]], "a region without a pixel came"),
        ([[SaturatedRegion([[0, 255]], 1)]], [[[0.0, 1.0]]], "mask holds the value 255"),
        ([[SaturatedRegion([[0, 1]], 1)]], [[[0.0], [1.0]]], r"a mask of shape \(1, 2\) came"),
        ([[]], [[[0.0, float("nan")]]], "NaN or infinite"),
    ],
)
def test_mistakes_are_named(regions, maps, message):
    for function in (auspro, spro_curve):
        with pytest.raises(DataError, match=message):
            function(regions, maps)


def test_limits_and_types_are_checked():
    with pytest.raises(ConfigError, match="limit=0"):
        SaturatedAccumulator().compute([0])
    with pytest.raises(DataError, match="a score map of float64 came"):
        SaturatedAccumulator().add([], np.zeros((2, 2)))
