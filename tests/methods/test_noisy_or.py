"""Noisy-OR against SciPy's distributions and against probabilities multiplied out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from twinspect.methods import noisy_or

PLACES = torch.linspace(-4, 12, 33)


def spread(location: float, scale: float, freedom: float = 9) -> torch.Tensor:
    return torch.tensor([location, scale, freedom])


def probability(surprises: torch.Tensor) -> torch.Tensor:
    """Turn -log(1 - p) back into p."""
    return -torch.expm1(-surprises)


@pytest.mark.parametrize(
    ("tail", "reference"), [("logistic", stats.logistic), ("normal", stats.norm)], ids=["logistic", "normal"]
)
def test_surprise_is_minus_the_log_of_the_upper_tail(
    tail: noisy_or.Tail, reference: stats.rv_continuous
) -> None:
    actual = noisy_or.negative_log_p(3 + 0.5 * PLACES, spread(3, 0.5), tail)
    np.testing.assert_allclose(actual, -reference.logsf(PLACES.numpy()), rtol=1e-4)


@pytest.mark.parametrize("freedom", [3, 7, 39, 400])
def test_students_surprise_is_that_of_students_t_nearly(freedom: int) -> None:
    actual = noisy_or.negative_log_p(3 + 0.5 * PLACES, spread(3, 0.5, freedom), "student")
    exact = -stats.t(freedom).logsf(PLACES.numpy())
    np.testing.assert_allclose(actual, exact, rtol=0.04, atol=0.005)


@pytest.mark.parametrize("tail", noisy_or.TAILS)
def test_surprise_is_unbounded_ordered_and_log_2_in_the_middle(tail: noisy_or.Tail) -> None:
    scores = torch.tensor([-50.0, 0.9, 1.0, 1.1, 3.0, 50.0, 5000.0])
    actual = noisy_or.negative_log_p(scores, spread(1, 0.1), tail)
    assert (actual.diff() > 0).all()
    assert actual.isfinite().all()
    assert (actual >= 0).all()
    assert float(actual[2]) == pytest.approx(np.log(2), abs=1e-6)


def test_the_sum_of_surprises_is_noisy_or() -> None:
    scores = torch.tensor([[0.2, 5.0], [2.0, 1.0], [-1.0, -2.0]])
    parts = [noisy_or.negative_log_p(column, spread(0, 1), "logistic") for column in scores.T]
    p = stats.logistic.cdf(scores.numpy())
    np.testing.assert_allclose(probability(sum(parts)), 1 - (1 - p).prod(axis=1), rtol=1e-5)


def test_every_score_may_have_a_spread_of_its_own() -> None:
    scores, spreads = torch.tensor([1.0, 7.0]), torch.tensor([[0.0, 1.0, 5.0], [5.0, 2.0, 30.0]])
    actual = noisy_or.negative_log_p(scores, spreads, "student")
    apart = [noisy_or.negative_log_p(s, row, "student") for s, row in zip(scores, spreads, strict=True)]
    assert actual.tolist() == [float(value) for value in apart]


def test_students_spread_predicts_the_next_value() -> None:
    values = np.random.default_rng(0).normal(5, 2, 12)
    actual = noisy_or.fit_distribution(torch.from_numpy(values), "student").tolist()
    assert actual == pytest.approx([values.mean(), values.std(ddof=1) * np.sqrt(13 / 12), 11], rel=1e-6)


def test_students_spread_keeps_its_promise_on_few_images() -> None:
    """Of new good images a share of 1 - p lies beyond p: in 20 000 draws of 6 + 1, one in a hundred beyond 0.99."""
    draws = torch.from_numpy(np.random.default_rng(0).normal(2, 0.3, (20_000, 7)))
    alarms = 0
    for row in draws[:4000]:
        new = noisy_or.negative_log_p(
            row[6].float(), noisy_or.fit_distribution(row[:6], "student"), "student"
        )
        alarms += bool(probability(new) > 0.99)
    assert alarms / 4000 == pytest.approx(0.01, abs=0.005)  # three standard errors


@pytest.mark.parametrize(("tail", "reference"), [("logistic", stats.logistic), ("normal", stats.norm)])
def test_the_other_spreads_are_read_off_the_quartiles(
    tail: noisy_or.Tail, reference: stats.rv_continuous
) -> None:
    values = reference.ppf(np.linspace(0.001, 0.999, 999), loc=4, scale=0.3)
    location, scale, _ = noisy_or.fit_distribution(torch.from_numpy(values), tail).tolist()
    assert location == pytest.approx(4, abs=1e-3)
    assert scale == pytest.approx(0.3, rel=0.01)
    odd = np.append(values, 1000.0)
    assert noisy_or.fit_distribution(torch.from_numpy(odd), tail).tolist()[:2] == pytest.approx(
        [4, 0.3], rel=0.01
    )


@pytest.mark.parametrize("tail", noisy_or.TAILS)
@pytest.mark.parametrize("values", [[0.7], [0.7, 0.7, 0.7], [0.0], [0.0, 0.0]])
def test_a_spread_is_never_zero(tail: noisy_or.Tail, values: list[float]) -> None:
    actual = noisy_or.fit_distribution(torch.tensor(values), tail)
    assert actual[1] > 0
    assert actual[2] >= 1
    assert noisy_or.negative_log_p(torch.tensor([1.0]), actual, tail).isfinite().all()


@pytest.mark.parametrize("tail", noisy_or.TAILS)
@pytest.mark.parametrize("measured", [[0.5], [0.7, 0.7, 0.7], [0.4, 0.5, 0.7]])
@pytest.mark.parametrize("factor", [1e-3, 2.0, 40.0])
def test_surprise_in_logarithms_has_no_unit(
    tail: noisy_or.Tail, measured: list[float], factor: float
) -> None:
    def surprise(unit: float) -> torch.Tensor:
        fitted = noisy_or.fit_distribution((torch.tensor(measured) * unit).log(), tail, logarithm=True)
        return noisy_or.negative_log_p((torch.tensor([0.3, 0.5001, 0.6]) * unit).log(), fitted, tail)

    torch.testing.assert_close(surprise(factor), surprise(1.0), rtol=5e-3, atol=1e-4)


def test_one_image_spreads_to_twice_its_score_in_logarithms_and_without() -> None:
    """One deviation of a single image is its own score, whose t has one degree of freedom (Cauchy)."""
    for logarithm in (False, True):
        values = torch.tensor([0.5, 1.0])
        scores = values.log() if logarithm else values
        fitted = noisy_or.fit_distribution(scores[:1], "student", logarithm=logarithm)
        assert probability(noisy_or.negative_log_p(scores[1], fitted, "student")) == pytest.approx(
            stats.cauchy.cdf(1 / np.sqrt(2)), abs=0.03
        )


def test_a_spread_between_two_values_gives_them_one_half_and_nine_tenths() -> None:
    actual = noisy_or.negative_log_p(
        torch.tensor([0.2, 0.7, 5.0]), noisy_or.distribution_from_range(0.2, 0.7), "logistic"
    )
    expected = stats.logistic(0.2, 0.5 / np.log(9)).cdf([0.2, 0.7, 5.0])
    np.testing.assert_allclose(probability(actual), expected, rtol=1e-6)
    np.testing.assert_allclose(expected[:2], [0.5, 0.9])


@pytest.mark.parametrize(("typical", "peak"), [(0.0, 0.0), (2.0, 2.0), (2.0, 1.0), (-3.0, -3.0)])
def test_a_spread_between_equal_values_is_still_one(typical: float, peak: float) -> None:
    actual = noisy_or.distribution_from_range(typical, peak)
    assert actual[1] > 0
    assert noisy_or.negative_log_p(torch.tensor([typical, typical + 1]), actual, "logistic").isfinite().all()
