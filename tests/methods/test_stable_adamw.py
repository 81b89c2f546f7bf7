"""StableAdamW against its equations in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from twinspect.methods.stable_adamw import StableAdamW

RATE, DECAY, B1, B2, EPS = 0.01, 0.1, 0.9, 0.999, 1e-8


def reference(start: np.ndarray, gradients: list[np.ndarray]) -> np.ndarray:
    """Wortsman et al. 2023, algorithm 2, with means free of the bias of their start."""
    weights, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step, gradient in enumerate(gradients, start=1):
        mean = B1 * mean + (1 - B1) * gradient
        square = B2 * square + (1 - B2) * gradient**2
        v, u = mean / (1 - B1**step), square / (1 - B2**step)
        rms = np.sqrt(np.mean(gradient**2 / np.maximum(u, EPS**2)))
        rate = RATE / max(1.0, rms)
        weights = weights - rate * DECAY * weights - rate * v / (np.sqrt(u) + EPS)
    return weights


def descend(start: list[np.ndarray], gradients: list[list[np.ndarray]]) -> list[np.ndarray]:
    parameters = [nn.Parameter(torch.from_numpy(weights.copy())) for weights in start]
    optimizer = StableAdamW(parameters, lr=RATE, weight_decay=DECAY)
    for arrays in gradients:
        for parameter, gradient in zip(parameters, arrays, strict=True):
            parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        assert all(group["lr"] == RATE for group in optimizer.param_groups)
    return [parameter.detach().numpy() for parameter in parameters]


def test_it_follows_the_equations_also_when_a_gradient_leaps() -> None:
    random = np.random.default_rng(0)
    start = [random.normal(size=(3, 4)), random.normal(size=5)]
    gradients = [[random.normal(size=weights.shape) for weights in start] for _ in range(6)]
    gradients[3][0] *= 100  # one tensor leaps, the other does not
    actual = descend(start, gradients)
    for index, weights in enumerate(actual):
        expected = reference(start[index], [arrays[index] for arrays in gradients])
        np.testing.assert_allclose(weights, expected, rtol=1e-9)


def test_a_leap_moves_it_less_than_adamw() -> None:
    gradients = [np.full(4, 0.01)] * 20 + [np.full(4, 10.0)]
    before, after = (
        descend([np.zeros(4)], [[gradient] for gradient in gradients[:count]])[0] for count in (20, 21)
    )
    plain = nn.Parameter(torch.zeros(4, dtype=torch.float64))
    optimizer = torch.optim.AdamW([plain], lr=RATE, weight_decay=DECAY)
    for gradient in gradients:
        last = plain.detach().clone()
        plain.grad = torch.from_numpy(gradient)
        optimizer.step()
    assert np.abs(after - before).max() < 0.5 * float((plain.detach() - last).abs().max())


def test_what_has_no_gradient_stays() -> None:
    still, moving = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = StableAdamW([still, moving], lr=RATE, weight_decay=DECAY)
    for _ in range(3):
        moving.grad = torch.ones(2)
        optimizer.step()
    assert still.tolist() == [1, 1]
    assert moving.tolist() != [1, 1]


def test_its_state_can_be_put_back() -> None:
    start, gradients = [np.ones(3)], [[np.random.default_rng(n).normal(size=3)] for n in range(6)]
    whole = descend(start, gradients)[0]
    first = nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = StableAdamW([first], lr=RATE, weight_decay=DECAY)
    for index, arrays in enumerate(gradients):
        if index == 3:
            saved = optimizer.state_dict()
            optimizer = StableAdamW([first], lr=RATE, weight_decay=DECAY)
            optimizer.load_state_dict(saved)
        first.grad = torch.from_numpy(arrays[0])
        optimizer.step()
    assert first.detach().numpy() == pytest.approx(whole, abs=0)
