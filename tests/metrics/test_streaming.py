"""The accumulator against whole-array metrics, and its bins against their stated bound."""

from __future__ import annotations

import dataclasses
import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from twinspect.errors import ConfigError, DataError
from twinspect.metrics import PixelAccumulator, PixelMetrics, aupro, f1_max
from twinspect.metrics._steps import Steps, precision
from twinspect.metrics._stores import GrowingColumn, lower_edges, sort_keys

VALUES = ("auroc", "ap", "f1_max", "aupro_30", "aupro_05")


def images(seed, n=6, side=24, kind="smooth"):
    """Masks (one of them None) and float32 maps of differing sizes, anomalous pixels a little higher."""
    rng = np.random.default_rng(seed)
    masks, maps = [], []
    for i in range(n):
        mask = rng.random((side + i, side)) < 0.1
        score_map = rng.normal(size=mask.shape) + mask
        masks.append(mask if i else None)
        maps.append(
            SCALES[kind](score_map).astype(np.float32)
            if i
            else SCALES[kind](score_map - mask).astype(np.float32)
        )
    return masks, maps


SCALES = {
    "smooth": lambda m: m,
    "one_bin": lambda m: 1 + 1e-5 * np.tanh(m),  # nearly all of it inside one bin of 1.2e-4
    "few_bins": lambda m: 1000 + m / 3,
    "ties": np.round,
    "huge": lambda m: m * 1e37,
    "tiny": lambda m: m * 1e-40,
    "constant": np.zeros_like,
}


@pytest.fixture(params=SCALES)
def data(request):
    return images(0, kind=request.param)


def filled(masks, maps, exact_up_to=2**27):
    pixels = PixelAccumulator(exact_up_to)
    for mask, score_map in zip(masks, maps, strict=True):
        pixels.add(mask, score_map)
    return pixels


def flat(masks, maps):
    labels = [np.zeros(m.size, bool) if k is None else k.ravel() for k, m in zip(masks, maps, strict=True)]
    return np.concatenate(labels), np.concatenate([m.ravel() for m in maps])


def test_exact_values_are_those_of_whole_arrays(data):
    found = filled(*data).compute()
    labels, scores = flat(*data)
    widened = scores.astype(np.float64)  # scikit-learn adds scores up, which overflows in float32
    assert found.auroc == pytest.approx(roc_auc_score(labels, widened), abs=1e-12)
    assert found.ap == pytest.approx(average_precision_score(labels, widened), abs=1e-12)
    assert (found.f1_max, found.f1_threshold) == f1_max(labels, scores)
    assert found.aupro_30 == pytest.approx(aupro(*data, 0.3), abs=1e-12)
    assert found.aupro_05 == pytest.approx(aupro(*data, 0.05), abs=1e-12)
    assert found.n_pixels == labels.size
    assert found.exact
    assert set(dataclasses.asdict(found.error_bound).values()) == {0.0}


def test_exact_values_do_not_depend_on_blocks(monkeypatch, data):
    whole = filled(*data).compute()
    monkeypatch.setattr("twinspect.metrics._steps.BLOCK", 11)
    assert_close(filled(*data).compute(), whole)


def test_binned_values_are_within_the_stated_bound(data):
    binned, exact = filled(*data, exact_up_to=0).compute(), filled(*data).compute()
    assert not binned.exact
    assert (binned.n_pixels, binned.n_regions) == (exact.n_pixels, exact.n_regions)
    for name in VALUES:
        error = abs(getattr(binned, name) - getattr(exact, name))
        assert error <= getattr(binned.error_bound, name) + 1e-12, name
    assert binned.f1_max <= exact.f1_max


def test_bound_is_small_where_bins_part_the_scores():
    bound = filled(*images(0), exact_up_to=0).compute().error_bound
    assert max(dataclasses.astuple(bound)) < 1e-3
    assert min(dataclasses.astuple(bound)) > 0


def test_bound_is_honest_where_bins_do_not_part_the_scores():
    data = images(0, kind="one_bin")
    binned, exact = filled(*data, exact_up_to=0).compute(), filled(*data).compute()
    assert abs(binned.auroc - exact.auroc) > 0.05
    assert binned.error_bound.auroc > 0.1


def test_bound_of_auroc_is_half_of_the_mixed_shares():
    data = images(3, kind="few_bins")
    labels, scores = flat(*data)
    bins = np.array([s.view(np.uint32) >> 10 for s in scores])  # all positive, so bits rise with the score
    mixed = sum(np.mean(bins[~labels] == b) * np.mean(bins[labels] == b) for b in np.unique(bins))
    bound = filled(*data, exact_up_to=0).compute().error_bound
    assert bound.auroc == pytest.approx(mixed / 2, rel=1e-9)


@pytest.mark.parametrize("favour", [1, -1])
def test_bounds_are_reached_by_the_best_and_worst_order_in_a_bin(favour):
    # Everything is in one bin: the best and the worst order inside it are the ends of the stated range.
    ulp = np.spacing(np.float32(1))
    mask = np.arange(100).reshape(10, 10) < 30
    score_map = (1 + ulp * np.where(mask, 50 * favour, 0) + ulp * 50).astype(np.float32)
    binned = filled([mask], [score_map], 0).compute()
    exact = filled([mask], [score_map]).compute()
    assert (exact.auroc, exact.aupro_30) == ((1, 1) if favour > 0 else (0, 0))
    assert binned.error_bound.auroc == pytest.approx(abs(exact.auroc - binned.auroc)) == 0.5
    assert abs(exact.aupro_30 - binned.aupro_30) <= binned.error_bound.aupro_30
    assert abs(exact.ap - binned.ap) <= binned.error_bound.ap
    if favour > 0:
        assert binned.error_bound.aupro_30 == pytest.approx(exact.aupro_30 - binned.aupro_30)
        assert binned.error_bound.ap == pytest.approx(exact.ap - binned.ap)
        assert binned.error_bound.f1_max == pytest.approx(exact.f1_max - binned.f1_max)


@pytest.mark.parametrize("seed", range(20))
def test_ap_bound_holds_for_every_order_in_a_bin(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((8, 8)) < rng.uniform(0.05, 0.95)
    mask[0, :2] = False, True
    order = rng.permutation(64) if seed % 2 else np.argsort(np.argsort(~mask.ravel(), kind="stable"))[::-1]
    score_map = (1 + np.spacing(np.float32(1)) * order.reshape(8, 8)).astype(np.float32)
    binned, exact = filled([mask], [score_map], 0).compute(), filled([mask], [score_map]).compute()
    assert binned.ap == pytest.approx(mask.mean())  # one bin: all tied
    assert abs(binned.ap - exact.ap) <= binned.error_bound.ap + 1e-12


def test_ends_of_the_precision_are_those_of_the_extreme_orders():
    rng = np.random.default_rng(0)
    good, anomalous = rng.integers(0, 6, (2, 40))
    anomalous = np.maximum(anomalous, 1)
    good_upto, anomalous_upto = np.cumsum(good), np.cumsum(anomalous)
    rows = Steps(
        np.arange(40.0)[::-1],
        good_above=good_upto - good,
        good_upto=good_upto,
        anomalous_above=anomalous_upto - anomalous,
        anomalous_upto=anomalous_upto,
        count=anomalous,
        weight=np.ones(40),
        n_good=int(good.sum()),
        n_anomalous=int(anomalous.sum()),
    )
    lowest, _, highest = precision(rows)
    for i, found in enumerate(anomalous):
        true = anomalous_upto[i] - found + 1 + np.arange(found)
        singly = np.mean(true / (true + good_upto[i]))  # the good of the bin first, then one by one
        together = anomalous_upto[i] / (
            anomalous_upto[i] + good_upto[i] - good[i]
        )  # the anomalous first, tied
        assert singly - 0.02 < lowest[i] <= singly + 1e-15
        assert highest[i] == pytest.approx(together, abs=1e-15)


def test_bins_without_a_mixture_are_exact():
    mask = np.arange(60).reshape(6, 10) % 7 == 0
    score_map = np.arange(60, dtype=np.float32).reshape(6, 10)
    binned, exact = filled([mask], [score_map], 0).compute(), filled([mask], [score_map]).compute()
    assert max(dataclasses.astuple(binned.error_bound)) < 1e-12
    for name in (*VALUES, "f1_threshold"):
        assert getattr(binned, name) == pytest.approx(getattr(exact, name), abs=1e-12)


def test_binned_f1_is_reached_at_its_threshold(data):
    found = filled(*data, exact_up_to=0).compute()
    labels, scores = flat(*data)
    flagged = scores >= np.float32(found.f1_threshold)
    assert 2 * (flagged & labels).sum() / (flagged.sum() + labels.sum()) == pytest.approx(
        found.f1_max, abs=1e-12
    )


def test_switches_past_the_stated_number_of_pixels():
    masks, maps = images(1)
    n = sum(m.size for m in maps)
    assert filled(masks, maps, n).compute().exact
    assert not filled(masks, maps, n - 1).compute().exact
    late, early = filled(masks, maps, n - 1).compute(), filled(masks, maps, 0).compute()
    assert_close(late, early)


@pytest.mark.parametrize("exact_up_to", [0, 2000, 2**27])
def test_order_of_images_does_not_matter(exact_up_to, data):
    masks, maps = data
    assert_close(
        filled(masks[::-1], maps[::-1], exact_up_to).compute(), filled(masks, maps, exact_up_to).compute()
    )


@pytest.mark.parametrize("first", [0, 2**27])
@pytest.mark.parametrize("second", [0, 2**27])
def test_merging_is_adding(first, second):
    masks, maps = images(2)
    left, right = filled(masks[:2], maps[:2], first), filled(masks[2:], maps[2:], second)
    before = right.compute()
    left.merge(right)
    assert_close(left.compute(), filled(masks, maps, min(first, second)).compute())
    assert_close(right.compute(), before)


def test_merging_past_the_limit_switches_to_bins():
    masks, maps = images(2)
    left, right = filled(masks[:2], maps[:2], 2000), filled(masks[2:], maps[2:])
    assert left.compute().exact
    left.merge(right)
    assert_close(left.compute(), filled(masks, maps, 0).compute())


def test_merging_into_an_empty_one_leaves_both_apart():
    masks, maps = images(4)
    full, total = filled(masks, maps), PixelAccumulator()
    total.merge(full)
    total.add(None, np.full((50, 50), 9, np.float32))
    assert_close(full.compute(), filled(masks, maps).compute())
    assert total.compute().auroc < full.compute().auroc


@pytest.mark.parametrize("exact_up_to", [0, 2**27])
def test_may_be_merged_with_itself(exact_up_to):
    pixels = filled(*images(2), exact_up_to)
    once = pixels.compute()
    pixels.merge(pixels)
    twice = pixels.compute()
    assert (twice.n_pixels, twice.n_regions) == (2 * once.n_pixels, 2 * once.n_regions)
    assert twice.auroc == pytest.approx(once.auroc)


@pytest.mark.parametrize("exact_up_to", [0, 2**27])
def test_computing_half_way_changes_nothing(exact_up_to):
    masks, maps = images(5)
    pixels = filled(masks[:3], maps[:3], exact_up_to)
    pixels.compute()
    pixels.curves()
    for mask, score_map in zip(masks[3:], maps[3:], strict=True):
        pixels.add(mask, score_map)
    assert_close(pixels.compute(), filled(masks, maps, exact_up_to).compute())
    assert_close(pixels.compute(), filled(masks, maps, exact_up_to).compute())


def test_survives_a_trip_to_another_process():
    pixels = filled(*images(6))
    assert pickle.loads(pickle.dumps(pixels)).compute() == pixels.compute()


def test_maps_may_be_reused_by_the_caller():
    masks, maps = images(7)
    pixels, buffer = PixelAccumulator(), np.empty_like(maps[0])
    for mask in (None, masks[1][:-1]):
        buffer[:] = maps[0] if mask is None else maps[1][:-1]
        pixels.add(mask, buffer)
        buffer[:] = 1e9
    assert_close(pixels.compute(), filled([None, masks[1][:-1]], [maps[0], maps[1][:-1]]).compute())


@pytest.mark.parametrize("exact_up_to", [0, 2**27])
@pytest.mark.parametrize("mask", [None, np.zeros((3, 4), np.uint8), np.ones((3, 4), bool)])
def test_one_class_is_undefined(exact_up_to, mask):
    pixels = filled([mask], [np.ones((3, 4), np.float32)], exact_up_to)
    found = pixels.compute()
    assert all(np.isnan(getattr(found, name)) for name in (*VALUES, "f1_threshold"))
    assert (found.n_pixels, found.exact) == (12, exact_up_to > 0)
    assert found.n_regions == int(mask is not None and bool(mask.any()))
    assert pixels.curves().roc.x.size == pixels.curves().pro.y.size == 0


def test_nothing_added_is_undefined():
    assert dataclasses.astuple(PixelAccumulator().compute())[6:9] == (0, 0, True)
    assert np.isnan(PixelAccumulator().compute().auroc)


def test_single_pixels():
    assert np.isnan(filled([[[1]]], [np.ones((1, 1), np.float32)]).compute().auroc)
    found = filled([[[1]], None], [np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)]).compute()
    assert (found.auroc, found.ap, found.f1_max, found.aupro_30, found.aupro_05) == (1, 1, 1, 1, 1)
    assert (found.n_regions, found.f1_threshold) == (1, 1.0)


def test_signed_zeros_tie_in_bins_too():
    for exact_up_to in (0, 2):
        for zeros in ([-0.0, 0.0], [0.0, -0.0]):
            assert filled([[[0, 1]]], [np.array([zeros], np.float32)], exact_up_to).compute().auroc == 0.5


def test_float16_is_widened():
    mask, score_map = [[0, 1, 1]], np.array([[0.1, 0.3, 0.05]], np.float16)
    assert filled([mask], [score_map]).compute() == filled([mask], [score_map.astype(np.float32)]).compute()


@pytest.mark.parametrize(
    ("mask", "score_map", "message"),
    [
        (None, np.zeros((2, 2)), r"a score map of float64 came; .* type: score_map.astype\('float32'\)"),
        (None, np.zeros((2, 2), int), "a score map of int64 came"),
        (
            None,
            np.full((2, 2), np.inf, np.float32),
            r"4 of 4 values are NaN or infinite, the first at index \(0, 0\)",
        ),
        ([[0, 255]], np.zeros((1, 2), np.float32), "mask holds the value 255"),
        (
            [[0, 1]],
            np.zeros((2, 1), np.float32),
            r"a mask of shape \(1, 2\) came with a score map of shape \(2, 1\)",
        ),
        (None, np.zeros((1, 2, 2), np.float32), r"score map of shape \(1, 2, 2\) came; allowed: \(H, W\)"),
        (None, np.zeros((0, 2), np.float32), "holds no value"),
    ],
)
def test_mistakes_are_named_and_nothing_is_added(mask, score_map, message):
    pixels = PixelAccumulator()
    with pytest.raises(DataError, match=message):
        pixels.add(mask, score_map)
    assert pixels.n_pixels == 0


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="exact_up_to=-1; allowed: 0"):
        PixelAccumulator(-1)
    with pytest.raises(ConfigError, match="points=2"):
        PixelAccumulator().curves(points=2)
    with pytest.raises(ConfigError, match="limit=0"):
        PixelAccumulator().curves(pro_limit=0)


@pytest.mark.parametrize("exact_up_to", [0, 2**27])
def test_curves_hold_the_areas(exact_up_to, data):
    pixels = filled(*data, exact_up_to)
    found, curves = pixels.compute(), pixels.curves(points=10**6, pro_limit=0.3)
    assert under(curves.roc) == pytest.approx(found.auroc, abs=1e-12)
    assert under(curves.pro) / 0.3 == pytest.approx(found.aupro_30, abs=1e-12)


def test_curves_are_thinned():
    curves = filled(*images(8, side=60)).curves()
    for curve in (curves.roc, curves.pro):
        assert 100 < curve.x.size <= 500
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


def test_keys_compare_as_the_scores_do():
    info = np.finfo(np.float32)
    rng = np.random.default_rng(0)
    edge = np.array(
        [info.max, info.tiny, info.smallest_subnormal, 1, np.nextafter(np.float32(1), np.float32(2))]
    )
    bits = rng.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    scores = np.concatenate([edge, -edge, [0.0, -0.0], bits[np.isfinite(bits)]]).astype(np.float32)
    order = np.argsort(scores)
    keys = sort_keys(scores)[order].astype(np.int64)
    assert (np.sign(np.diff(keys)) == np.sign(np.diff(scores[order].astype(np.float64)))).all()


def test_lower_edges_are_the_lowest_scores_of_their_bins():
    scores = np.random.default_rng(1).normal(size=5000).astype(np.float32) * np.float32(1e3)
    bins = (sort_keys(scores) >> 10).astype(np.int64)
    edges = lower_edges(bins)
    assert (edges <= scores).all()
    assert ((sort_keys(edges) >> 10) == bins).all()
    below = np.nextafter(edges, np.float32(-np.inf))
    assert ((sort_keys(below) >> 10) == bins - 1).all()


def test_bins_are_flat_in_memory():
    masks, maps = images(9)
    pixels = filled(masks, maps, 0)
    tracemalloc.start()
    for _ in range(20):
        pixels.add(masks[1], maps[1])
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < maps[1].nbytes


def test_column_gives_back_what_came_in_pieces_of_any_size_and_type():
    rng = np.random.default_rng(0)
    pieces = [
        rng.random(size).astype(dtype) for size in (0, 3, 1, 200, 7) for dtype in (np.float32, np.float64)
    ]
    column = GrowingColumn()
    for number, piece in enumerate(pieces * 20):
        column.append(piece)
        if number == 50:
            column.whole()
    assert (column.whole() == np.concatenate(pieces * 20)).all()
    assert column.whole().dtype == np.float64
    assert column.size == column.whole().size
    assert GrowingColumn().whole().size == 0


def test_column_copies():
    column, values = GrowingColumn(), np.arange(3.0)
    column.append(values)
    values[:] = 9
    column.append(column.whole())
    assert column.whole().tolist() == [0, 1, 2, 0, 1, 2]


def test_exact_route_holds_few_copies():
    rng = np.random.default_rng(0)
    mask = np.zeros((512, 512), bool)
    mask[100:150, 100:250] = True
    tracemalloc.start()
    pixels = PixelAccumulator()
    for _ in range(40):
        pixels.add(mask, rng.random((512, 512), dtype=np.float32))
    kept = tracemalloc.get_traced_memory()[0]
    pixels.compute()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    scores = 40 * mask.size * 4
    assert kept < 1.1 * scores
    assert peak < 3.5 * scores


def under(curve):
    return (curve.y[1:] + curve.y[:-1]) / 2 @ np.diff(curve.x)


def assert_close(found: PixelMetrics, expected: PixelMetrics):
    for name in (*VALUES, "f1_threshold"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12), name
    for name in VALUES:
        bound, other = getattr(found.error_bound, name), getattr(expected.error_bound, name)
        assert bound == pytest.approx(other, abs=1e-12), name
    assert (found.n_pixels, found.n_regions, found.exact) == (
        expected.n_pixels,
        expected.n_regions,
        expected.exact,
    )
