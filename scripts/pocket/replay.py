"""Batches that are learnt from several times: for where making one costs more than a step does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    Pair = tuple[Tensor, Tensor]


class Replay:
    """What a step learns from: one of the batches made last, drawn by the seed and the step's number.

    Args:
        make: gives batch number k: what is seen and what should be given.
        times: steps for every new batch, so often is each learnt from on average.
        kept: so many of the newest are drawn from.
        seed: of the draws.
    """

    def __init__(self, make: Callable[[int], Pair], times: int, kept: int, seed: int) -> None:
        self.make = make
        self.times = times
        self.kept = kept
        self.seed = seed

    def between(self, first: int, last: int) -> Iterator[Pair]:
        """Give the pairs of steps `first` to `last` - 1; those drawn from before `first` are made again."""
        newest = first // self.times
        pool = {number: self.make(number) for number in range(max(0, newest + 1 - self.kept), newest + 1)}
        for step in range(first, last):
            newest = step // self.times
            if newest not in pool:
                pool[newest] = self.make(newest)
                pool.pop(newest - self.kept, None)
            yield pool[self._draw(step, newest)]

    def _draw(self, step: int, newest: int) -> int:
        random = np.random.default_rng([self.seed, step])
        return int(random.integers(max(0, newest + 1 - self.kept), newest + 1))
