"""The Sinkhorn divergence against a linear program, the entropic problem's dual, and another implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize
from scipy.special import logsumexp
from torch import Tensor

from twinspect.methods.sinkhorn import entropic_transport, sinkhorn_divergence


def points(count: int, seed: int) -> Tensor:
    return torch.rand(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def costs_between(first: Tensor, second: Tensor) -> np.ndarray:
    a, b = first.numpy(), second.numpy()
    costs: np.ndarray = ((a[:, None] - b[None]) ** 2).sum(axis=2) / 2
    return costs


def by_linear_program(costs: np.ndarray) -> float:
    """The least cost of moving equal weights, without entropy."""
    rows, columns = costs.shape
    sums = [np.kron(np.eye(rows), np.ones(columns)), np.kron(np.ones(rows), np.eye(columns))]
    marginals = np.concatenate([np.full(rows, 1 / rows), np.full(columns, 1 / columns)])
    return float(linprog(costs.ravel(), A_eq=np.concatenate(sums), b_eq=marginals, method="highs").fun)


def by_dual(costs: np.ndarray, blur: float) -> float:
    """The greatest <f, a> + <g, b>, where g follows from f."""
    rows = len(costs)
    weight = blur**2

    def negative(potential: np.ndarray) -> float:
        other = -weight * logsumexp((potential[:, None] - costs) / weight - np.log(rows), axis=0)
        return -float(potential.mean() + other.mean())

    return -float(minimize(negative, np.zeros(rows), tol=1e-12, options={"gtol": 1e-9}).fun)


@pytest.mark.parametrize("sizes", [(6, 5), (7, 7)])
def test_with_little_entropy_it_is_optimal_transport(sizes: tuple[int, int]) -> None:
    costs = costs_between(points(sizes[0], 1), points(sizes[1], 2))
    found = entropic_transport(torch.from_numpy(costs), blur=0.01, scaling=0.98)
    assert float(found) == pytest.approx(by_linear_program(costs), abs=5e-4)


@pytest.mark.parametrize("blur", [0.3, 1.0])
def test_with_entropy_it_is_the_value_of_the_dual(blur: float) -> None:
    costs = costs_between(points(6, 1), points(5, 2))
    found = entropic_transport(torch.from_numpy(costs), blur=blur, scaling=0.9)
    assert float(found) == pytest.approx(by_dual(costs, blur), abs=1e-6)


@pytest.mark.parametrize(("blur", "expected"), [(0.05, 0.165844), (0.3, 0.136494), (1.0, 0.109237)])
def test_the_divergence_is_that_of_geomloss(blur: float, expected: float) -> None:
    """By geomloss 0.3.1, SamplesLoss("sinkhorn", p=2, blur=blur, scaling=0.95); at 0.05 it stops 0.0003 too early."""
    a = torch.rand(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    b = torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert float(sinkhorn_divergence(a, b, blur=blur, scaling=0.95)) == pytest.approx(expected, abs=4e-4)


def test_equal_sets_in_another_order_are_not_apart() -> None:
    a = points(8, 3)
    assert float(sinkhorn_divergence(a, a.flip(0), blur=0.05, scaling=0.95)) == pytest.approx(0, abs=1e-9)


def test_the_gradient_is_that_of_finite_differences() -> None:
    a, b = points(4, 4).requires_grad_(), points(5, 5)
    torch.autograd.gradcheck(lambda x: sinkhorn_divergence(x, b, blur=0.5, scaling=0.9), (a,), atol=1e-5)


def test_sets_closer_than_the_blur_are_compared_too() -> None:
    a, b = points(4, 6) * 1e-3, points(4, 7) * 1e-3
    found = float(sinkhorn_divergence(a, b, blur=0.05, scaling=0.95))
    means = (
        a.mean(dim=0) - b.mean(dim=0)
    ).square().sum() / 2  # what the divergence becomes with much entropy
    assert found == pytest.approx(float(means), rel=1e-3)
