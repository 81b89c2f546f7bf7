"""The outcome of verbs that work through the runs of a store: how many are done, and why others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.time_left import standing
from twinspect.cli.console import table
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, USER_MISTAKE, Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

REPORT: Final = "report"
"""Typed instead of a protocol: the tables of what was run."""
TABLES: Final = f"twinspect benchmark {REPORT}"


def outcome(out: Path, rows: Sequence[sqlite3.Row], what: str, *last: str) -> Outcome:
    """Count finished, failed and running runs, and list the failures.

    Args:
        out: the folder of the store.
        rows: the requested runs.
        what: what to call them, in the plural.
        last: lines to end with.
    """
    now = standing(rows)
    unreadable = sum(row["unreadable"] or 0 for row in rows)
    failed = [row for row in rows if row["state"] == "failed"]
    lines = [
        f"{out}: {now.done} of {now.runs} {what} done, {now.failed} failed, {now.running} in other processes"
    ]
    if unreadable:
        lines.append(f"{unreadable} test images could not be read and count in no metric")
    if failed:
        columns = ("task", "method", "seed", "why it failed")
        lines += [table(columns, [_failure(row) for row in failed]), "once fixed, run them again: --retry"]
    record: dict[str, Any] = {
        "out": str(out),
        what: now.runs,
        "done": now.done,
        "running": now.running,
        "failed": [
            dict(zip(("task", "method", "seed", "error"), _failure(row), strict=True)) for row in failed
        ],
        "unreadable": unreadable,
    }
    code = USER_MISTAKE if failed else SOME_UNREADABLE if unreadable else DONE
    return Outcome("\n".join([*lines, *last]), record, code)


def _failure(row: sqlite3.Row) -> tuple[str, str, int, str]:
    return row["task"], row["method"], row["seed"], row["error"]
