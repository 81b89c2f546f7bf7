"""How far a benchmark is, and how long the rest will take."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


@dataclass(frozen=True)
class Standing:
    """Where the runs of a plan stand.

    Attributes:
        runs: how many there are.
        done: of them.
        failed: of them.
        running: of them, in whatever process.
        seconds_left: estimate for the rest; ``None`` before the first run is done.
    """

    runs: int
    done: int
    failed: int
    running: int
    seconds_left: float | None


def standing(rows: Sequence[sqlite3.Row]) -> Standing:
    """Count runs by state, and estimate the time left from the runs that are done.

    A run takes as long as those of its method took on average, or as all did where there is none; what is left is
    shared by as many processes as are at work now.
    """
    states = [row["state"] for row in rows]
    running = states.count("running")
    seconds = [_expected(rows, row["method"]) for row in rows if row["state"] in ("waiting", "running")]
    known = [each for each in seconds if each is not None]
    left = sum(known) / max(1, running) if len(known) == len(seconds) else None
    return Standing(len(rows), states.count("done"), states.count("failed"), running, left)


def in_words(seconds: float | None) -> str:
    """Say how long something takes, roughly.

    >>> in_words(7400)
    'about 2 h 3 min'
    """
    if seconds is None:
        return "not known yet"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"


def _expected(rows: Sequence[sqlite3.Row], method: str) -> float | None:
    done = [row for row in rows if row["state"] == "done"]
    alike = [row for row in done if row["method"] == method] or done
    return statistics.mean(map(_taken, alike)) if alike else None


def _taken(row: sqlite3.Row) -> float:
    return (datetime.fromisoformat(row["finished"]) - datetime.fromisoformat(row["started"])).total_seconds()
