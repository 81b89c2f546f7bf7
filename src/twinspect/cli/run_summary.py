"""The outcome of verbs that work through the runs of a store: how many are done, and why others failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.time_left import plan_status
from twinspect.cli.console import table
from twinspect.cli.outcome import DONE, SOME_FAILED, SOME_UNREADABLE, Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

REPORT: Final = "report"
"""What to type instead of a protocol for the tables of the runs."""
TABLES: Final = f"twinspect benchmark {REPORT}"


def outcome(out: Path, rows: Sequence[sqlite3.Row], noun: str, *last: str) -> Outcome:
    """Summarise the states of runs, with the reasons of failures.

    Args:
        out: the folder of the store.
        rows: the runs that were asked for.
        noun: what they are called, in the plural.
        last: lines to end with.
    """
    status = plan_status(rows)
    unreadable = sum(row["unreadable"] or 0 for row in rows)
    failed = [row for row in rows if row["state"] == "failed"]
    states = f"{status.done} of {status.runs} {noun} done, {status.failed} failed"
    lines = [f"{out}: {states}, {status.running} in other processes"]
    if unreadable:
        lines.append(f"{unreadable} test images could not be read and count in no metric")
    if failed:
        columns = ("task", "method", "seed", "why it failed")
        rerun = "once the cause is fixed, run them again: --retry"
        lines += [table(columns, [_failure(row) for row in failed]), rerun]
    record: dict[str, Any] = {
        "out": str(out),
        noun: status.runs,
        "done": status.done,
        "running": status.running,
        "failed": [
            dict(zip(("task", "method", "seed", "error"), _failure(row), strict=True)) for row in failed
        ],
        "unreadable": unreadable,
    }
    code = SOME_FAILED if failed else SOME_UNREADABLE if unreadable else DONE
    return Outcome("\n".join([*lines, *last]), record, code)


def _failure(row: sqlite3.Row) -> tuple[str, str, int, str]:
    return row["task"], row["method"], row["seed"], row["error"]
