"""Ranking metrics against scikit-learn and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from twinspect.errors import ConfigError, DataError
from twinspect.metrics import auroc, average_precision, f1_max, roc_curve

METRICS = (auroc, average_precision, f1_max)


def _normal(rng, n):
    return rng.normal(size=n)


def _ties(rng, n):
    return rng.integers(0, 5, n) - 2.0


def _constant(rng, n):
    return np.full(n, -3.5)


def _many_sizes(rng, n):
    return rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-37, 37, n)


def _subnormal(rng, n):
    return rng.integers(-9, 9, n) * float(np.finfo(np.float32).smallest_subnormal)


def _signed_zeros(rng, n):
    return rng.choice([-1.0, -0.0, 0.0, 1.0], n)


CASES = [_normal, _ties, _constant, _many_sizes, _subnormal, _signed_zeros]


@pytest.fixture(params=range(3))
def rng(request):
    return np.random.default_rng(request.param)


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


@pytest.fixture(params=CASES, ids=lambda case: case.__name__.strip("_"))
def labelled(request, rng, dtype):
    labels = rng.random(200) < rng.choice([0.05, 0.5, 0.9])
    labels[:2] = False, True
    return labels, request.param(rng, 200).astype(dtype)


def _highest_f1(labels, scores):
    """Every distinct threshold; of equal F1 the highest."""
    flagged = {float(cut): scores >= cut for cut in np.unique(scores + 0.0)}
    return max(
        (2 * (called & labels).sum() / (called.sum() + labels.sum()), cut) for cut, called in flagged.items()
    )


def test_auroc_is_scikit_learns(labelled):
    assert auroc(*labelled) == pytest.approx(roc_auc_score(*labelled), abs=1e-12)


def test_average_precision_is_scikit_learns(labelled):
    assert average_precision(*labelled) == pytest.approx(average_precision_score(*labelled), abs=1e-12)


def test_f1_max_is_the_best_of_all_thresholds(labelled):
    value, threshold = f1_max(*labelled)
    expected, expected_threshold = _highest_f1(*labelled)
    assert value == pytest.approx(expected, abs=1e-12)
    assert threshold == expected_threshold


def test_f1_max_is_reached_at_its_threshold(labelled):
    labels, scores = labelled
    value, threshold = f1_max(labels, scores)
    assert f1_score(labels, scores >= threshold) == pytest.approx(value, abs=1e-12)


def test_of_equal_f1_the_highest_threshold_is_given():
    # 2 / (1 + 2) at 4, where one of two is found; 4 / (4 + 2) at 1, where both are and two good ones too.
    assert f1_max([1, 0, 0, 1], [4.0, 3.0, 2.0, 1.0]) == (pytest.approx(2 / 3), 4.0)


def test_auroc_counts_pairs(labelled):
    labels, scores = labelled
    good, anomalous = scores[~labels], scores[labels][:, None]
    wins = (anomalous > good).sum() + 0.5 * (anomalous == good).sum()
    assert auroc(labels, scores) == pytest.approx(wins / (good.size * anomalous.size), abs=1e-12)


def test_order_does_not_matter(labelled, rng):
    labels, scores = labelled
    order = rng.permutation(labels.size)
    for metric in METRICS:
        assert metric(labels[order], scores[order]) == metric(labels, scores)


def test_blocks_join_without_a_seam(monkeypatch, rng):
    labels, scores = rng.random(500) < 0.4, _ties(rng, 500)
    whole = [metric(labels, scores) for metric in METRICS]
    monkeypatch.setattr("twinspect.metrics._steps.BLOCK", 7)
    assert [metric(labels, scores) for metric in METRICS] == [
        pytest.approx(value, abs=1e-12) for value in whole
    ]


@pytest.mark.parametrize("n", [2, 3, 1000, 99_999])
def test_perfect_scores_give_one_to_the_bit(n):
    labels = np.arange(n) >= n // 3 + 1
    scores = np.arange(n, dtype=np.float32)
    assert auroc(labels, scores) == 1.0
    assert average_precision(labels, scores) == 1.0
    assert f1_max(labels, scores) == (1.0, n // 3 + 1.0)
    assert auroc(labels, -scores) == 0.0


def test_constant_scores_say_nothing():
    labels = np.arange(1001) < 77
    scores = np.full(1001, 0.25)
    assert auroc(labels, scores) == 0.5
    assert average_precision(labels, scores) == pytest.approx(77 / 1001, abs=1e-15)
    assert f1_max(labels, scores) == (pytest.approx(2 * 77 / (1001 + 77)), 0.25)


def test_negative_zero_ties_with_zero():
    assert auroc([0, 1], [0.0, -0.0]) == auroc([0, 1], [-0.0, 0.0]) == 0.5
    threshold = f1_max([0, 1], [-1.0, -0.0])[1]
    assert threshold == 0.0
    assert not np.signbit(threshold)


def test_neighbouring_floats_do_not_tie(dtype):
    one = dtype(1)
    assert auroc([0, 1], np.array([one, np.nextafter(one, dtype(2))])) == 1.0


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined(label):
    labels, scores = [label] * 3, [1.0, 2.0, 3.0]
    assert np.isnan(auroc(labels, scores))
    assert np.isnan(average_precision(labels, scores))
    assert np.isnan(f1_max(labels, scores)).all()
    assert roc_curve(labels, scores).x.size == roc_curve(labels, scores).y.size == 0


def test_a_single_score_is_undefined():
    assert np.isnan(auroc([1], [0.5]))
    assert np.isnan(average_precision([0], [0.5]))


@pytest.mark.parametrize("labels", [[False, True], np.array([0, 1], np.uint8), [0.0, 1.0]])
@pytest.mark.parametrize("scores", [[1, 2], np.array([1, 2], np.float16), np.array([1, 2], np.int64)])
def test_kinds_of_labels_and_scores_accepted(labels, scores):
    assert auroc(labels, scores) == 1.0


def test_arguments_are_left_alone():
    labels, scores = np.array([1, 0, 1]), np.array([3.0, 1.0, 2.0])
    for metric in (*METRICS, roc_curve):
        metric(labels, scores)
    assert labels.tolist() == [1, 0, 1]
    assert scores.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.5, float("nan")], r"1 of 2 values are NaN or infinite, the first at index \(1,\)"),
        ([0, 1], [float("-inf"), 0.5], "NaN or infinite"),
        ([0, 1], [0.5], r"labels of shape \(2,\) came with scores of shape \(1,\)"),
        ([[0, 1]], [[0.5, 0.6]], r"type: labels.ravel\(\), scores.ravel\(\)"),
        ([], [], r"scores of shape \(0,\) holds no value"),
        ([0, 255], [0.5, 0.6], "labels holds the value 255; allowed: 0 .* type: mask > 0"),
        ([0, 0.5], [0.5, 0.6], "labels holds the value 0.5"),
        ([0, float("nan")], [0.5, 0.6], "labels holds the value nan"),
        (["good", "bad"], [0.5, 0.6], "labels came as <U4"),
        ([0, 1], ["a", "b"], "scores came as <U1; allowed: float16, float32, float64 and integers"),
        ([0, 1], np.array([1, 2], complex), "scores came as complex128"),
    ],
)
def test_mistakes_are_named(labels, scores, message):
    for metric in (*METRICS, roc_curve):
        with pytest.raises(DataError, match=message):
            metric(labels, scores)


def test_curve_has_the_corners_of_scikit_learns(labelled):
    labels, scores = labelled
    curve = roc_curve(labels, scores, points=10_000)
    fpr, tpr, _ = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    # Every vertex is one of theirs, and theirs lie on the line drawn: the same picture.
    theirs = {(round(x, 12), round(y, 12)) for x, y in zip(fpr, tpr, strict=True)}
    assert {(round(x, 12), round(y, 12)) for x, y in zip(*curve, strict=True)} <= theirs
    assert _distance_to_line(fpr, tpr, curve).max() < 1e-12


def test_curve_starts_and_ends_in_the_corners(labelled):
    x, y = roc_curve(*labelled, points=20)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()


@pytest.mark.parametrize("n", [3000, 300_000])
@pytest.mark.parametrize("shift", [0.0, 1.0, 4.0])
def test_thinned_curve_is_the_same_picture(n, shift):
    rng = np.random.default_rng(0)
    labels = rng.random(n) < 0.5
    scores = rng.normal(size=n) + shift * labels
    curve = roc_curve(labels, scores)
    assert curve.x.size <= 500
    fpr, tpr, _ = sklearn_roc_curve(labels, scores)
    step = max(1, fpr.size // 2000)
    assert _distance_to_line(fpr[::step], tpr[::step], curve).max() < 0.003


def test_area_under_the_drawn_curve_is_the_auroc(labelled):
    x, y = roc_curve(*labelled, points=10_000)
    assert ((y[1:] + y[:-1]) / 2 @ np.diff(x)) == pytest.approx(auroc(*labelled), abs=1e-12)


def test_too_few_points_are_refused():
    with pytest.raises(ConfigError, match="points=3; allowed: 4 or more"):
        roc_curve([0, 1], [0.0, 1.0], points=3)


def _distance_to_line(x, y, curve):
    """Distance of each point to the nearest piece of a polyline."""
    start = np.column_stack(curve)[:-1]
    along = np.diff(np.column_stack(curve), axis=0)
    point = np.column_stack([x, y])[:, None]
    share = ((point - start) * along).sum(-1) / (along**2).sum(-1)
    return np.linalg.norm(point - start - np.clip(share, 0, 1)[..., None] * along, axis=-1).min(axis=1)
