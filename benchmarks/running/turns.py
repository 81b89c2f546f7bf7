"""Turns: everything that is compared is called once a round, so that a slow moment of the machine meets all."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Images = NDArray[np.uint8]
    Timed = Callable[[Images], float]
    """Scores images and says how many seconds that took."""

REST = 0.02
"""Seconds between two calls: threads of the last one go on looking for work for some milliseconds."""


def timed(call: Callable[[Images], object], clock: Callable[[], float] = time.perf_counter) -> Timed:
    """Put a clock on a call."""

    def measure(images: Images) -> float:
        began = clock()
        call(images)
        return clock() - began

    return measure


def in_turns(contestants: Mapping[str, Timed], images: Images, rounds: int) -> dict[str, list[float]]:
    """Time all, round by round.

    Args:
        contestants: by name; every other round runs them backwards.
        images: what each is given.
        rounds: beside a first one, which only warms up.

    Returns:
        Seconds of every round, by name.
    """
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name in list(contestants)[:: -1 if turn % 2 else 1]:
            time.sleep(REST)
            seconds = contestants[name](images)
            if turn:
                found[name].append(seconds)
    return found


def faster(times: Sequence[float], base: Sequence[float]) -> float:
    """Say how often a base takes as long: the median over rounds of the ratio within a round."""
    return statistics.median(theirs / own for own, theirs in zip(times, base, strict=True))
