"""What a part of a script takes, and an end to what takes too long; the same on both sides."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Spent:
    """What a part of a script took; zeros before its end.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of all threads of this process and of children that have ended; far below ``seconds`` times
            threads where others had the processors.
        ended: when, in seconds since the epoch.
        load: processes that wanted to run, as the system's average over the last minute.
        threads: that libraries may use.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    ended: float = 0.0
    load: float = 0.0
    threads: int = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))

    def record(self) -> dict[str, float]:
        """Return plain JSON values."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


@contextmanager
def spending(at_most: float) -> Iterator[Spent]:
    """Measure the block.

    Args:
        at_most: minutes by the clock, after which it is given up at its next line of Python.

    Raises:
        SystemExit: it was given up.
    """
    spent, began, before = Spent(), time.perf_counter(), _cpu_seconds()
    if isfinite(at_most):
        signal.signal(signal.SIGALRM, lambda *_: _give_up(at_most))
        signal.setitimer(signal.ITIMER_REAL, 60 * at_most)
    try:
        yield spent
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    spent.seconds = time.perf_counter() - began
    spent.cpu_seconds = _cpu_seconds() - before
    spent.ended = time.time()
    spent.load = os.getloadavg()[0]


def _give_up(minutes: float) -> None:
    raise SystemExit(f"given up after {minutes:g} minutes")


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
