"""PRO against a brute-force sweep of every distinct threshold."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from twinspect.errors import ConfigError, DataError
from twinspect.metrics import aupro, auroc, pro_curve


def sweep(masks, maps):
    """PRO at every distinct threshold, from the definition; components by scikit-image."""
    masks = [
        np.zeros(np.shape(m), bool) if k is None else np.asarray(k, bool)
        for k, m in zip(masks, maps, strict=True)
    ]
    good = np.sort(np.concatenate([m[~k] for k, m in zip(masks, maps, strict=True)]))
    regions = []
    for mask, score_map in zip(masks, maps, strict=True):
        components = label(mask, connectivity=2)
        regions += [np.sort(score_map[components == i]) for i in range(1, components.max() + 1)]
    cuts = np.unique(np.concatenate([good, *regions]))[::-1]
    fpr = np.r_[0.0, 1 - np.searchsorted(good, cuts, "left") / good.size]
    pro = np.r_[0.0, np.mean([1 - np.searchsorted(r, cuts, "left") / r.size for r in regions], axis=0)]
    return fpr, pro


def reference(masks, maps, limit):
    fpr, pro = sweep(masks, maps)
    inside = np.count_nonzero(fpr <= limit)
    x, y = list(fpr[:inside]), list(pro[:inside])
    if inside < fpr.size:
        share = (limit - x[-1]) / (fpr[inside] - x[-1])
        x.append(limit)
        y.append(y[-1] + share * (pro[inside] - y[-1]))
    return sum((y[i] + y[i + 1]) / 2 * (x[i + 1] - x[i]) for i in range(len(x) - 1)) / limit


def random_images(rng, n=5, side=14, levels=None, share=0.15):
    """Maps a little higher on random masks, of differing sizes; with ``levels`` full of ties."""
    shapes = [(side + i, side - i % 3) for i in range(n)]
    masks = [rng.random(shape) < share for shape in shapes]
    masks[0][:] = False
    maps = [
        rng.normal(size=shape).astype(np.float32) + mask for shape, mask in zip(shapes, masks, strict=True)
    ]
    if levels:
        maps = [np.round(m * levels / 4).astype(np.float32) for m in maps]
    return masks, maps


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [None, 20, 3, 1])
@pytest.mark.parametrize("limit", [0.3, 0.05, 1.0, 0.001])
def test_aupro_is_that_of_the_sweep(seed, levels, limit):
    masks, maps = random_images(np.random.default_rng(seed), levels=levels)
    assert aupro(masks, maps, limit) == pytest.approx(reference(masks, maps, limit), abs=1e-10)


@pytest.mark.parametrize("limit", [0.3, 0.05])
def test_aupro_of_many_pixels_is_that_of_the_sweep(limit):
    rng = np.random.default_rng(5)
    masks = np.zeros((20, 64, 64), np.uint8)
    for mask in masks:
        for y, x, h, w in rng.integers(1, 20, (3, 4)):
            mask[3 * y - 3 : 3 * y - 3 + h, 2 * x : 2 * x + w] = 1
    maps = (rng.normal(size=masks.shape) + 1.5 * masks).astype(np.float32)
    assert aupro(masks, maps, limit) == pytest.approx(reference(masks, maps, limit), abs=1e-10)


def test_aupro_in_pieces_is_the_same(monkeypatch):
    masks, maps = random_images(np.random.default_rng(1), levels=20)
    whole = aupro(masks, maps)
    monkeypatch.setattr("twinspect.metrics._steps.BLOCK", 5)
    assert aupro(masks, maps) == pytest.approx(whole, abs=1e-12)


def test_by_hand():
    # Two regions: one of 1 pixel at 4, one of 2 pixels at 3 and 1; good pixels at 3.5, 2, 0, -1.
    mask = [[1, 0, 1, 1, 0, 0, 0]]
    score_map = [[4.0, 3.5, 3.0, 1.0, 2.0, 0.0, -1.0]]
    # PRO is 1/2 up to FPR 1/4, then 3/4 up to 1/2, then 1.
    assert aupro([mask], [score_map], 0.25) == pytest.approx(0.5)
    assert aupro([mask], [score_map], 0.5) == pytest.approx((0.5 + 0.75) / 2)
    assert aupro([mask], [score_map], 1.0) == pytest.approx((0.5 + 0.75 + 1 + 1) / 4)


def test_limit_inside_a_tie_is_interpolated():
    # All tied: the curve is the diagonal, its area up to L is L^2 / 2, normalised L / 2.
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True
    assert aupro([mask], [np.ones((4, 4))], 0.3) == pytest.approx(0.15)


def test_regions_are_8_connected():
    # Two diagonal neighbours that are missed, and one pixel apart that is found: 1 region of 2, not 1 of 3.
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    score_map = np.where(mask == 1, 0.0, 1.0)
    score_map[2, 3] = 2.0
    assert aupro([mask], [score_map], 0.5) == pytest.approx(1 / 2)


def test_small_regions_weigh_as_much_as_large_ones():
    mask = np.zeros((20, 20), bool)
    mask[:10, :10] = mask[15, 15] = True
    score_map = np.zeros((20, 20))
    score_map[15, 15] = 2.0
    score_map[:10, :10] = -1.0
    assert aupro([mask], [score_map]) == pytest.approx(0.5)


def test_one_region_up_to_one_is_the_auroc():
    rng = np.random.default_rng(0)
    mask = np.zeros((12, 12), bool)
    mask[3:7, 2:9] = True
    score_map = rng.normal(size=mask.shape) + mask
    assert aupro([mask], [score_map], 1.0) == pytest.approx(auroc(mask.ravel(), score_map.ravel()), abs=1e-12)


def test_perfect_maps_give_one_to_the_bit():
    masks = [np.eye(9, dtype=bool), np.arange(49).reshape(7, 7) % 3 == 0, None]
    maps = [masks[0] * 1.0, masks[1] * 2.0, np.zeros((3, 5))]
    assert aupro(masks, maps) == aupro(masks, maps, 0.05) == aupro(masks, maps, 1.0) == 1.0


def test_order_of_images_does_not_matter():
    masks, maps = random_images(np.random.default_rng(2), levels=10)
    assert aupro(masks[::-1], maps[::-1]) == pytest.approx(aupro(masks, maps), abs=1e-12)


def test_none_is_an_empty_mask():
    masks, maps = random_images(np.random.default_rng(3))
    assert aupro([None, *masks[1:]], maps) == aupro(masks, maps)


def test_float64_is_not_rounded():
    # Apart in float64, tied in float32.
    assert aupro([[[0, 1]]], [[[1.0, 1.0 + 1e-12]]], 1.0) == 1.0
    assert aupro([[[0, 1]]], np.array([[[1.0, 1.0 + 1e-12]]], np.float32), 1.0) == 0.5


def test_maps_are_left_alone():
    masks, maps = random_images(np.random.default_rng(4))
    before = [m.copy() for m in maps]
    aupro(masks, maps)
    assert all((a == b).all() for a, b in zip(maps, before, strict=True))


@pytest.mark.parametrize("mask", [np.zeros((3, 3)), np.ones((3, 3)), None])
def test_without_regions_or_good_pixels_it_is_undefined(mask):
    assert np.isnan(aupro([mask], [np.ones((3, 3))]))
    assert pro_curve([mask], [np.ones((3, 3))]).x.size == 0


@pytest.mark.parametrize("limit", [0, -0.1, 1.5, float("nan")])
def test_limits_outside_are_refused(limit):
    for function in (aupro, pro_curve):
        with pytest.raises(ConfigError, match=r"allowed: a false-positive rate in \(0, 1\]"):
            function([[[0, 1]]], [[[0.0, 1.0]]], limit)


@pytest.mark.parametrize(
    ("masks", "maps", "message"),
    [
        ([[[0, 1]]], [[[0.0, 1.0]], [[0.0, 1.0]]], "1 masks came with 2 score maps"),
        ([], [], "0 masks came with 0 score maps; .* at least one"),
        ([[[0, 1]]], [[[0.0], [1.0]]], r"a mask of shape \(1, 2\) came with a score map of shape \(2, 1\)"),
        ([[[0, 255]]], [[[0.0, 1.0]]], "mask holds the value 255; .* type: mask > 0"),
        ([[0, 1]], [[0.0, 1.0]], r"score map of shape \(2,\) came; allowed: \(H, W\)"),
        ([[[0, 1]]], [[[0.0, float("nan")]]], r"score map: 1 of 2 values .* first at index \(0, 1\)"),
        ([np.zeros((0, 3))], [np.zeros((0, 3))], "holds no value"),
    ],
)
def test_mistakes_are_named(masks, maps, message):
    for function in (aupro, pro_curve):
        with pytest.raises(DataError, match=message):
            function(masks, maps)


@pytest.mark.parametrize("levels", [None, 10])
def test_curve_is_that_of_the_sweep(levels):
    masks, maps = random_images(np.random.default_rng(6), levels=levels)
    fpr, pro = sweep(masks, maps)
    x, y = pro_curve(masks, maps, points=100_000)
    theirs = {(round(a, 12), round(b, 12)) for a, b in zip(fpr, pro, strict=True)}
    assert {(round(a, 12), round(b, 12)) for a, b in zip(x, y, strict=True)} <= theirs
    assert ((y[1:] + y[:-1]) / 2 @ np.diff(x)) == pytest.approx(reference(masks, maps, 1.0), abs=1e-12)


@pytest.mark.parametrize("limit", [0.3, 0.05])
@pytest.mark.parametrize("levels", [None, 10, 1])
def test_curve_ends_at_the_limit_and_holds_the_area(limit, levels):
    masks, maps = random_images(np.random.default_rng(7), levels=levels)
    x, y = pro_curve(masks, maps, limit=limit, points=100_000)
    assert x[-1] == limit
    assert ((y[1:] + y[:-1]) / 2 @ np.diff(x)) / limit == pytest.approx(aupro(masks, maps, limit), abs=1e-12)


def test_thinned_curve_is_the_same_picture():
    masks, maps = random_images(np.random.default_rng(8), n=4, side=60)
    thinned, whole = pro_curve(masks, maps), pro_curve(masks, maps, points=10**6)
    assert thinned.x.size <= 500 < whole.x.size
    # Along the diagonal direction both curves only rise, so comparing them there bounds their distance.
    way = np.linspace(0, 2, 5000)
    for axis in range(2):
        drawn = np.interp(way, sum(thinned), thinned[axis])
        assert np.abs(drawn - np.interp(way, sum(whole), whole[axis])).max() < 0.004


def test_curve_of_joined_pixels_keeps_to_the_exact_one(monkeypatch):
    masks, maps = random_images(np.random.default_rng(9), n=4, side=40)
    fpr, pro = sweep(masks, maps)
    from twinspect.metrics import _steps

    joined = _steps.joined
    monkeypatch.setattr("twinspect.metrics._stores.joined", lambda *arrays: joined(*arrays, most=50))
    x, y = pro_curve(masks, maps, points=1000)
    assert 20 < x.size <= 102
    theirs = {(round(a, 12), round(b, 12)) for a, b in zip(fpr, pro, strict=True)}
    assert {(round(a, 12), round(b, 12)) for a, b in zip(x, y, strict=True)} <= theirs
