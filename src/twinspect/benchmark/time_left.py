"""The progress of a benchmark, and how long the rest will take."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


@dataclass(frozen=True)
class PlanStatus:
    """How many runs of a plan are in which state.

    Attributes:
        runs: number of runs in all.
        done: number of runs with results.
        failed: number of runs that failed.
        running: number of runs that any process is working on.
        seconds_left: estimate for the rest; ``None`` before the first run is done.
    """

    runs: int
    done: int
    failed: int
    running: int
    seconds_left: float | None


def plan_status(rows: Sequence[sqlite3.Row]) -> PlanStatus:
    """Count runs by state, and estimate the time left from the runs that are done.

    A run is expected to take as long as those of its method on average, or as all runs where its method has none; the
    rest is shared by as many processes as are working now.
    """
    states = [row["state"] for row in rows]
    running = states.count("running")
    open_rows = [row for row in rows if row["state"] in ("waiting", "running")]
    seconds = [_expected_seconds(rows, row["method"]) for row in open_rows]
    known = [estimate for estimate in seconds if estimate is not None]
    left = sum(known) / max(1, running) if len(known) == len(seconds) else None
    return PlanStatus(len(rows), states.count("done"), states.count("failed"), running, left)


def format_duration(seconds: float | None) -> str:
    """Write a duration, roughly.

    >>> format_duration(7400)
    'about 2 h 3 min'
    """
    if seconds is None:
        return "not known yet"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"


def _expected_seconds(rows: Sequence[sqlite3.Row], method: str) -> float | None:
    done = [row for row in rows if row["state"] == "done"]
    similar = [row for row in done if row["method"] == method] or done
    return statistics.mean(map(_seconds, similar)) if similar else None


def _seconds(row: sqlite3.Row) -> float:
    return (datetime.fromisoformat(row["finished"]) - datetime.fromisoformat(row["started"])).total_seconds()
