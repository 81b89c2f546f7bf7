"""The greedy coreset: points of which each is the farthest from those chosen before it.

Distances are measured between projections that are rounded to whole numbers, so small that every product and sum is
exact in float32. The choice is then the same whatever the order of the sums: on any device, in blocks of any size,
and in a loop over all points.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from twinspect.utils.progress import tracked

if TYPE_CHECKING:
    from collections.abc import Iterator

EXACT: Final = 2**24
"""Up to this, float32 holds every whole number."""
ACTIVE: Final = 2048
"""Points among which the next ones are chosen before the others are looked at again."""
ROWS: Final = 2048
"""Points whose distances to new members are computed at once."""


def sparse_projection(channels: int, dimensions: int) -> Tensor:
    """Draw a sparse Johnson-Lindenstrauss map (Li, Hastie & Church 2006) from torch's random state.

    Returns:
        (channels, dimensions) float32: 0, or one number or its negative with probability 1 / (2 sqrt(channels)) each.
    """
    density = 1 / math.sqrt(channels)
    drawn = torch.rand(channels, dimensions)
    signs = (drawn < density / 2).float() - (drawn > 1 - density / 2).float()
    return signs / math.sqrt(density * dimensions)


def to_whole_numbers(points: Tensor) -> Tensor:
    """Centre points and round them to whole numbers between which squared distances are exact in float32.

    Args:
        points: (n, d) float32; changed in place.

    Returns:
        (n, d) float32, of at most sqrt(2^24 / d) / 2.
    """
    points -= points.mean(dim=0)
    largest = math.isqrt(EXACT // points.shape[1]) // 2
    scale = torch.maximum(points.amax(), -points.amin()).clamp_min(torch.finfo(points.dtype).tiny)
    return points.mul_(largest / scale).round_()


def greedy_coreset(points: Tensor, count: int, first: int = 0) -> Tensor:
    """Choose points one after the other, each the farthest from those chosen before it.

    Args:
        points: (n, d) as :func:`to_whole_numbers` gives them.
        count: how many to choose; fewer are where all others are equal to chosen ones.
        first: number of the first one.

    Returns:
        (at most count,) int64 numbers of points in the order they were chosen; of equally far ones the lowest.
    """
    members = tracked("coreset", islice(_members(points, first), count), count)
    return torch.tensor(list(members), device=points.device)


def _members(points: Tensor, first: int) -> Iterator[int]:
    """Yield members until all points equal one.

    They are chosen among the points that may be the farthest. The others learn of new members all at once, by a
    product of matrices, when those have come closer than the farthest of the others was.
    """
    norms = points.square().sum(dim=1)
    distances = torch.full_like(norms, torch.inf)
    new = [first]
    yield first
    while new:
        _catch_up(distances, points, norms, new)
        active = _may_be_farthest(distances)
        new = []
        for place in _farthest_first(points[active], norms[active], distances[active]):
            new.append(int(active[place]))
            yield new[-1]


def _catch_up(distances: Tensor, points: Tensor, norms: Tensor, members: list[int]) -> None:
    """Reduce, in place, every point's squared distance to the nearest member by those to new members."""
    offsets, factors = norms[members], -2 * points[members].T
    for start in range(0, len(points), ROWS):
        rows = slice(start, start + ROWS)
        nearest = torch.addmm(offsets, points[rows], factors).amin(dim=1) + norms[rows]
        torch.minimum(distances[rows], nearest, out=distances[rows])


def _may_be_farthest(distances: Tensor) -> Tensor:
    """Number the points that are the farthest, in ascending order; none that equals a member is among them."""
    least = distances.topk(min(ACTIVE, len(distances))).values[-1].clamp_min(1)
    return torch.nonzero(distances >= least).flatten()


def _farthest_first(points: Tensor, norms: Tensor, distances: Tensor) -> Iterator[int]:
    """Yield places of active points while the farthest of them is at least as far as each was at first."""
    least = distances.amin() if len(distances) else 0.0
    while len(distances):
        farthest = int(distances.argmax())
        if distances[farthest] < least:
            return
        yield farthest
        to_it = torch.addmv(norms + norms[farthest], points, points[farthest], alpha=-2)
        torch.minimum(distances, to_it, out=distances)
