"""Intervals and comparisons of AUROCs against DeLong's covariance by brute force, and their coverage."""

from __future__ import annotations

import dataclasses
from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from twinspect.errors import ConfigError, DataError
from twinspect.metrics import auroc, auroc_interval, compare_aurocs, mean_interval

SCALES = ("logit", "plain")


def brute_force(labels, *methods):
    """AUROCs and their covariance matrix from every pair of an anomalous and a good image, in O(n m)."""
    labels = np.asarray(labels, bool)
    kernels = []
    for scores in methods:
        anomalous, good = np.asarray(scores)[labels][:, None], np.asarray(scores)[~labels]
        kernels.append((anomalous > good) + 0.5 * (anomalous == good))
    v10, v01 = (np.array([kernel.mean(axis) for kernel in kernels]) for axis in (1, 0))
    covariance = np.atleast_2d(np.cov(v10)) / labels.sum() + np.atleast_2d(np.cov(v01)) / (~labels).sum()
    return [kernel.mean() for kernel in kernels], covariance


def draw(seed, good=40, anomalous=25, gap=1.0, levels=None):
    """Labels in random order and two methods' scores that go together; with ``levels`` full of ties."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.r_[np.zeros(good, bool), np.ones(anomalous, bool)])
    shared = rng.normal(size=labels.size) + gap * labels
    a, b = shared + rng.normal(size=(2, labels.size)) * [[0.5], [1.0]]
    return (labels, *(np.round(x * levels) / levels if levels else x for x in (a, b)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("sizes", [(40, 25), (2, 30), (30, 2), (200, 7)])
def test_standard_error_is_that_of_all_pairs(seed, levels, sizes):
    labels, scores, _ = draw(seed, *sizes, levels=levels)
    (value,), covariance = brute_force(labels, scores)
    found = auroc_interval(labels, scores)
    assert found.auroc == pytest.approx(value, abs=1e-14)
    assert found.auroc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found.standard_error == pytest.approx(sqrt(covariance[0, 0]), abs=1e-14)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_ends_are_those_of_the_formulas(seed, level):
    labels, scores, _ = draw(seed)
    (value,), covariance = brute_force(labels, scores)
    error, z = sqrt(covariance[0, 0]), norm.ppf((1 + level) / 2)
    plain = auroc_interval(labels, scores, level, scale="plain")
    assert (plain.low, plain.high) == pytest.approx((value - z * error, min(1, value + z * error)))
    found = auroc_interval(labels, scores, level)
    ends = [log(value / (1 - value)) + side * z * error / (value * (1 - value)) for side in (-1, 1)]
    assert (found.low, found.high) == pytest.approx([1 / (1 + exp(-end)) for end in ends])
    assert (found.method, plain.method) == SCALES


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("sizes", [(40, 25), (3, 30), (200, 7)])
def test_comparison_is_that_of_all_pairs(seed, levels, sizes):
    labels, a, b = draw(seed, *sizes, levels=levels)
    values, covariance = brute_force(labels, a, b)
    found = compare_aurocs(labels, a, b)
    error = sqrt(np.array([1, -1]) @ covariance @ [1, -1])
    assert (found.auroc_a, found.auroc_b) == pytest.approx(values, abs=1e-14)
    assert found.difference == pytest.approx(values[0] - values[1], abs=1e-14)
    assert found.standard_error == pytest.approx(error, abs=1e-14)
    assert found.p_value == pytest.approx(2 * norm.sf(abs(found.difference) / error), abs=1e-12)
    ends = found.difference + np.array([-1, 1]) * norm.ppf(0.975) * error
    assert (found.low, found.high) == pytest.approx(np.clip(ends, -1, 1).tolist())
    assert found.method == "delong"


def test_methods_exchanged_turn_the_sign():
    labels, a, b = draw(0)
    one, other = compare_aurocs(labels, a, b), compare_aurocs(labels, b, a)
    assert (one.difference, one.low, one.high) == (-other.difference, -other.high, -other.low)
    assert (one.p_value, one.standard_error) == (other.p_value, other.standard_error)


def test_scores_turned_around_turn_the_interval():
    labels, scores, _ = draw(1)
    up, down = auroc_interval(labels, scores), auroc_interval(labels, -scores)
    assert (down.auroc, down.low, down.high) == pytest.approx((1 - up.auroc, 1 - up.high, 1 - up.low))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("good", "anomalous"), [(1, 1), (1, 20), (30, 20), (400, 300)])
def test_perfect_separation_has_the_binomial_bound(scale, good, anomalous):
    labels = np.arange(good + anomalous) >= good
    k = min(good, anomalous)
    expected = binomtest(k, k).proportion_ci(0.95, method="exact")
    found = auroc_interval(labels, np.arange(labels.size), scale=scale)
    assert (found.auroc, found.low, found.high) == (1.0, pytest.approx(expected.low), 1.0)
    assert found.method == "binomial"
    worst = auroc_interval(labels, -np.arange(labels.size), scale=scale)
    assert (worst.auroc, worst.low, worst.high) == (0.0, 0.0, pytest.approx(1 - expected.low))


def test_bound_of_perfect_separation_is_reached():
    # With probability q an anomalous image is above all good ones, else below: AUROC q, and perfect with q^m.
    q, m = auroc_interval(np.arange(60) >= 40, np.arange(60)).low, 20
    assert q**m == pytest.approx(0.025)


def test_ties_alone_have_hoeffdings_interval():
    labels = np.arange(100) < 40
    found = auroc_interval(labels, np.zeros(100))
    reach = sqrt(log(2 / 0.05) / 80)
    assert (found.low, found.auroc, found.high) == pytest.approx((0.5 - reach, 0.5, 0.5 + reach))
    assert (found.standard_error, found.method) == (0.0, "hoeffding")


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [1, 0, 1, 1]])
def test_one_image_in_a_class_says_nothing(labels):
    found = auroc_interval(labels, [0.0, 1.0, 2.0, 1.5])
    assert (found.low, found.high, found.method) == (0.0, 1.0, "hoeffding")
    assert 0 < found.auroc < 1
    assert np.isnan(found.standard_error)
    gap = compare_aurocs(labels, [0.0, 1.0, 2.0, 1.5], [3.0, 2.0, 1.0, 0.0])
    assert (gap.low, gap.high, gap.p_value) == (-1.0, 1.0, 1.0)
    assert np.isnan(gap.standard_error)


def test_methods_of_the_same_order_do_not_differ():
    labels, a, _ = draw(2)
    found = compare_aurocs(labels, a, np.exp(a))
    reach = sqrt(2 * log(2 / 0.05) / 25)
    assert (found.difference, found.low, found.high) == pytest.approx((0.0, -reach, reach))
    assert (found.p_value, found.method) == (1.0, "hoeffding")


def test_perfect_against_blind_has_no_spread_but_a_p_value():
    labels = np.arange(60) >= 30
    found = compare_aurocs(labels, np.arange(60), np.zeros(60))
    assert (found.difference, found.standard_error) == (0.5, 0.0)
    assert found.p_value == pytest.approx(2 * exp(-30 / 8))
    assert (found.low, found.high) == pytest.approx(
        (0.5 - sqrt(2 * log(40) / 30), 0.5 + sqrt(2 * log(40) / 30))
    )


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined(label):
    for found in (
        auroc_interval([label] * 3, [1, 2, 3]),
        compare_aurocs([label] * 3, [1, 2, 3], [3, 2, 1]),
    ):
        *numbers, method = dataclasses.astuple(found)
        assert np.isnan(numbers).all()
        assert method == ""


@pytest.mark.parametrize(
    "function", [auroc_interval, lambda *args: compare_aurocs(*args[:2], args[1], *args[2:])]
)
def test_mistakes_are_named(function):
    with pytest.raises(ConfigError, match="level=95; allowed: between 0 and 1"):
        function([0, 1], [0.0, 1.0], 95)
    with pytest.raises(DataError, match="NaN or infinite"):
        function([0, 1], [0.0, float("nan")])
    with pytest.raises(DataError, match=r"labels of shape \(2,\) came with scores of shape \(3,\)"):
        function([0, 1], [0.0, 1.0, 2.0])


def test_an_unknown_scale_is_refused():
    with pytest.raises(ConfigError, match="scale='probit'; allowed: logit and plain"):
        auroc_interval([0, 1], [0.0, 1.0], scale="probit")


@pytest.mark.parametrize(("true", "least", "plain_most"), [(0.8, 0.93, 0.96), (0.97, 0.93, 0.90)])
def test_interval_covers_as_often_as_it_says(true, least, plain_most):
    rng, labels = np.random.default_rng(0), np.arange(60) >= 30
    covered = dict.fromkeys(SCALES, 0)
    for _ in range(500):
        scores = rng.normal(size=60) + labels * norm.ppf(true) * sqrt(2)
        for scale in SCALES:
            found = auroc_interval(labels, scores, scale=scale)
            covered[scale] += found.low <= true <= found.high
    assert covered["logit"] >= least * 500
    # Near 1 the plain one covers too seldom, which is why it is not the default.
    assert covered["plain"] <= plain_most * 500


def test_equal_methods_are_called_different_as_often_as_the_level_says():
    called = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        labels = np.arange(80) >= 40
        a, b = rng.normal(size=80) + labels + rng.normal(size=(2, 80))
        called += compare_aurocs(labels, a, b).p_value < 0.05
    assert 0.03 * 400 <= called <= 0.08 * 400


def test_mean_interval_of_one_is_its_own_and_of_many_is_narrower():
    assert mean_interval([0.9], [0.7], [0.95]) == pytest.approx((0.7, 0.95))
    assert mean_interval([0.9] * 16, [0.7] * 16, [0.95] * 16) == pytest.approx((0.85, 0.9125))


def test_mean_interval_is_that_of_independent_normal_estimates():
    errors = np.array([0.01, 0.03, 0.02])
    expected = 0.9 + np.array([-1.96, 1.96]) * sqrt((errors**2).sum()) / 3
    found = mean_interval(
        [0.85, 0.9, 0.95], [0.85, 0.9, 0.95] - 1.96 * errors, [0.85, 0.9, 0.95] + 1.96 * errors
    )
    assert found == pytest.approx(tuple(expected))


@pytest.mark.parametrize("columns", [([], [], []), ([1.0], [1.0, 2.0], [1.0]), ([[1.0]], [[1.0]], [[1.0]])])
def test_mean_interval_refuses_other_shapes(columns):
    with pytest.raises(DataError, match=r"allowed: \(C,\)"):
        mean_interval(*columns)


def test_long_columns_need_no_matrix_of_pairs():
    rng = np.random.default_rng(0)
    labels = rng.random(300_000) < 0.5  # all pairs would be 2e10
    scores = rng.normal(size=labels.size) + labels
    found = auroc_interval(labels, scores)
    assert found.auroc == pytest.approx(auroc(labels, scores), abs=1e-12)
    assert found.high - found.low < 0.01
