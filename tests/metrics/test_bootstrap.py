"""The paired bootstrap against draws made by hand and against DeLong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from twinspect.errors import ConfigError, DataError
from twinspect.metrics import auroc, average_precision, compare_aurocs, f1_max, paired_bootstrap


def scored(seed=0, good=60, anomalous=40):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.r_[np.zeros(good, bool), np.ones(anomalous, bool)])
    shared = rng.normal(size=labels.size) + labels
    return (labels, *(shared + rng.normal(size=(2, labels.size)) * [[0.4], [1.2]]))


def test_agrees_with_delong_on_aurocs():
    labels, a, b = scored()
    found, exact = paired_bootstrap(auroc, labels, a, b, draws=1000), compare_aurocs(labels, a, b)
    assert found.difference == pytest.approx(exact.difference, abs=1e-12)
    assert found.standard_error == pytest.approx(exact.standard_error, rel=0.1)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.02)
    assert found.p_value == pytest.approx(exact.p_value, abs=0.03)


@pytest.mark.parametrize("metric", [average_precision, lambda labels, scores: f1_max(labels, scores)[0]])
def test_numbers_are_those_of_draws_made_by_hand(metric):
    labels, a, b = scored(1, 12, 8)
    rng, gaps = np.random.default_rng(5), []
    for _ in range(50):
        good = rng.choice(np.flatnonzero(~labels), 12)
        chosen = np.r_[good, rng.choice(np.flatnonzero(labels), 8)]
        gaps.append(metric(labels[chosen], a[chosen]) - metric(labels[chosen], b[chosen]))
    found = paired_bootstrap(metric, labels, a, b, seed=5, draws=50, level=0.9)
    assert (found.low, found.high) == pytest.approx(np.quantile(gaps, [0.05, 0.95]).tolist())
    assert found.standard_error == pytest.approx(np.std(gaps))
    rarer = min(sum(gap <= 0 for gap in gaps), sum(gap >= 0 for gap in gaps))
    assert found.p_value == pytest.approx(min(1, 2 * (rarer + 1) / 51))
    assert found.draws == 50


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    data = scored(2)
    one, again, other = (paired_bootstrap(auroc, *data, seed=seed, draws=30) for seed in (3, 3, 4))
    assert one == again != other


def test_every_draw_keeps_the_size_of_each_class():
    seen = set()
    labels, a, b = scored(3, 9, 2)

    def watch(drawn, scores):
        seen.add((drawn.size, drawn.sum()))
        return 0.0

    paired_bootstrap(watch, labels, a, b, draws=20)
    assert seen == {(11, 2)}


def test_both_methods_see_the_same_images():
    labels, a, _ = scored(4)
    found = paired_bootstrap(lambda _, scores: scores.mean(), labels, a, a + 2, draws=20)
    assert (found.low, found.high) == pytest.approx((-2, -2))
    assert found.standard_error == pytest.approx(0, abs=1e-12)
    assert found.p_value == pytest.approx(2 / 21)


def test_a_method_does_not_differ_from_itself():
    labels, a, _ = scored(5)
    assert dataclasses.astuple(paired_bootstrap(auroc, labels, a, a, draws=10)) == (0, 0, 0, 0, 1, 10)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_undefined(label):
    found = paired_bootstrap(auroc, [label] * 3, [1, 2, 3], [3, 2, 1])
    assert np.isnan(dataclasses.astuple(found)[:5]).all()
    assert found.draws == 0


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="draws=0; allowed: 1 or more"):
        paired_bootstrap(auroc, [0, 1], [0, 1], [0, 1], draws=0)
    with pytest.raises(ConfigError, match="level=2"):
        paired_bootstrap(auroc, [0, 1], [0, 1], [0, 1], level=2)
    with pytest.raises(DataError, match=r"scores of shape \(3,\)"):
        paired_bootstrap(auroc, [0, 1], [0, 1], [0, 1, 2])
