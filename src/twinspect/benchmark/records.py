"""Runs read back from the file, and grouped into series that differ in task and seed alone."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from twinspect.benchmark.store import RunStore

Values = dict[str, float]
"""Metrics by name; one that is not defined is not in it."""


@dataclass(frozen=True)
class Record:
    """One run, done or not.

    Attributes:
        row: its columns.
        categories: its metrics by category; empty unless it is done.
        mean: over the categories.
        pooled: over all images at once.
    """

    row: dict[str, Any]
    categories: dict[str, Values]
    mean: Values
    pooled: Values

    @property
    def is_done(self) -> bool:
        """Whether it has results."""
        return bool(self.row["state"] == "done")


@dataclass(frozen=True)
class RunSeries:
    """Runs of one method with one set of settings.

    Attributes:
        protocol: that they follow.
        label: the method, with the settings in which series of that method differ.
        settings: all of them, by name.
        runs: one for each task and seed.
    """

    protocol: str
    label: str
    settings: dict[str, Any]
    runs: list[Record]

    @property
    def seeds(self) -> list[int]:
        """The seeds that were asked for."""
        return sorted({run.row["seed"] for run in self.runs})

    @property
    def tasks(self) -> dict[str, list[Record]]:
        """The runs by task, in the order in which they were planned."""
        found: dict[str, list[Record]] = defaultdict(list)
        for run in self.runs:
            found[run.row["task"]].append(run)
        return dict(found)


def read_series(store: RunStore) -> list[RunSeries]:
    """Read every run, in the order in which they were planned.

    Where a task was run on other images before, for files were added or mended, only the runs on the images that
    were planned last count.
    """
    records = [_record(row, lines) for row, lines in _joined(store)]
    latest = {_place(record): record.row["data"] for record in records}
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.row["data"] == latest[_place(record)]:
            groups[json.dumps([record.row["protocol"], _settings(record.row)])].append(record)
    return _labelled([(runs[0].row["protocol"], _settings(runs[0].row), runs) for runs in groups.values()])


def _joined(store: RunStore) -> list[tuple[sqlite3.Row, list[sqlite3.Row]]]:
    lines: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for line in store.connection.execute("select * from metrics"):
        lines[line["run"]].append(line)
    return [(row, lines[row["key"]]) for row in store.connection.execute("select * from runs order by rowid")]


def _record(row: sqlite3.Row, lines: Sequence[sqlite3.Row]) -> Record:
    scopes: dict[str, dict[str, Values]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        scopes[line["scope"]][line["category"]][line["metric"]] = line["value"]
    return Record(dict(row), dict(scopes["category"]), scopes["mean"][""], scopes["pooled"][""])


def _place(record: Record) -> tuple[Any, ...]:
    return tuple(record.row[name] for name in ("protocol", "task", "most_train", "most_test"))


def _settings(row: dict[str, Any]) -> dict[str, Any]:
    """Name everything that tells one series from another, the method's settings among it."""
    own = {
        name: row[name]
        for name in ("method", "teacher", "teacher_sha256", "precision", "most_train", "most_test")
    }
    return {
        **own,
        "teacher_levels": ", ".join(json.loads(row["teacher_levels"])),
        **json.loads(row["config"]),
    }


def _labelled(found: Sequence[tuple[str, dict[str, Any], list[Record]]]) -> list[RunSeries]:
    return [
        RunSeries(protocol, _label(settings, [s for p, s, _ in found if p == protocol]), settings, runs)
        for protocol, settings, runs in found
    ]


def _label(settings: dict[str, Any], others: Sequence[dict[str, Any]]) -> str:
    """Call a series by its method, and by the settings in which it differs from others of that method."""
    alike = [each for each in others if each["method"] == settings["method"]]
    differing = [name for name in settings if len({str(each[name]) for each in alike}) > 1]
    said = ", ".join(f"{name} {_short(name, settings[name])}" for name in differing)
    return f"{settings['method']} ({said})" if said else settings["method"]


def _short(name: str, value: Any) -> str:
    return str(value)[:8] if name.endswith("sha256") else str(value)
