"""The Sinkhorn divergence: how far apart two sets of points are, by optimal transport (Feydy et al. 2019)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

LAST_ROUNDS = 100
"""Most rounds at the final regularisation, after the annealing."""
SETTLED = 1e-6
"""Change of the potentials in a round, in units of that regularisation, at which they are taken for settled."""


def sinkhorn_divergence(first: Tensor, second: Tensor, *, blur: float, scaling: float) -> Tensor:
    """Compute OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2, each with the cost |x - y|^2 / 2 and entropy.

    It is not negative, and 0 between equal sets.

    Args:
        first: (N, D) float, points of equal weights.
        second: (M, D) float, likewise.
        blur: length below which points are not told apart; the weight of the entropy is its square.
        scaling: factor of that length from round to round, from the largest distance down to ``blur``.

    Returns:
        One number.
    """

    def transport(a: Tensor, b: Tensor) -> Tensor:
        return entropic_transport(_costs(a, b), blur=blur, scaling=scaling)

    return transport(first, second) - (transport(first, first) + transport(second, second)) / 2


def entropic_transport(costs: Tensor, *, blur: float, scaling: float) -> Tensor:
    """Compute the least <P, C> + blur^2 KL(P, uniform) over plans P between points of equal weights.

    Args:
        costs: (N, M), not negative.
        blur: square root of the weight of the entropy.
        scaling: as for :func:`sinkhorn_divergence`.

    Returns:
        One number; its gradient with respect to the costs is the best plan.
    """
    plan = _best_plan(costs.detach(), blur, scaling)
    entropy = torch.xlogy(plan, plan * plan.numel()).sum()
    return (plan * costs).sum() + blur**2 * entropy


@torch.no_grad()
def _best_plan(costs: Tensor, blur: float, scaling: float) -> Tensor:
    """Alternate between fitting the rows' and the columns' sums, with less and less entropy: (N, M), of sum 1."""
    rows, columns = (-math.log(size) for size in costs.shape)
    potential = costs.new_zeros(costs.shape[1])
    for length in _lengths(float(costs.max()), blur, scaling):
        weight = length**2
        before = potential
        other = -weight * torch.logsumexp((potential - costs) / weight + columns, dim=1)
        potential = -weight * torch.logsumexp((other[:, None] - costs) / weight + rows, dim=0)
        if length == blur and torch.allclose(before, potential, rtol=0, atol=SETTLED * weight):
            break
    return ((other[:, None] + potential - costs) / blur**2 + rows + columns).exp()


def _lengths(largest: float, blur: float, scaling: float) -> list[float]:
    """List the blur of every round: from the largest distance down, then the final one again and again."""
    farthest = math.sqrt(2 * largest)
    rounds = math.ceil(math.log(blur / farthest, scaling)) if farthest > blur else 0
    return [farthest * scaling**number for number in range(rounds)] + [blur] * LAST_ROUNDS


def _costs(first: Tensor, second: Tensor) -> Tensor:
    """Compute half the squared distances: (N, M)."""
    squares = [points.square().sum(dim=1) / 2 for points in (first, second)]
    return (squares[0][:, None] + squares[1] - first @ second.T).clamp_min(0)
