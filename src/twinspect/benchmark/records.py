"""Runs read from the store, and grouped into series of runs that differ in task and seed alone."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from twinspect.benchmark.store import RunStore

MetricValues = dict[str, float]
"""Metrics by key; undefined ones are left out."""


@dataclass(frozen=True)
class RunRecord:
    """One run, done or not.

    Attributes:
        row: its columns.
        categories: its metrics by category; empty unless it is done.
        mean: over the categories.
        pooled: over all images at once.
    """

    row: dict[str, Any]
    categories: dict[str, MetricValues]
    mean: MetricValues
    pooled: MetricValues

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
    runs: list[RunRecord]

    @property
    def seeds(self) -> list[int]:
        """The seeds that were asked for."""
        return sorted({run.row["seed"] for run in self.runs})

    @property
    def tasks(self) -> dict[str, list[RunRecord]]:
        """The runs by task, in the order in which they were planned."""
        tasks: dict[str, list[RunRecord]] = defaultdict(list)
        for run in self.runs:
            tasks[run.row["task"]].append(run)
        return dict(tasks)


def read_series(store: RunStore) -> list[RunSeries]:
    """Read every run, in the order in which they were planned.

    Where a task was run on other images before, because files were added or repaired, only the runs on the images
    that were planned last count.
    """
    records = read_records(store)
    latest_data = {_task_key(record): record.row["data"] for record in records}
    groups: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        if record.row["data"] == latest_data[_task_key(record)]:
            groups[json.dumps([record.row["protocol"], settings_of(record.row)])].append(record)
    return _labelled([(runs[0].row["protocol"], settings_of(runs[0].row), runs) for runs in groups.values()])


def read_records(store: RunStore) -> list[RunRecord]:
    """Read every run, in the order in which they were planned."""
    metrics: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for metric in store.connection.execute("select * from metrics"):
        metrics[metric["run"]].append(metric)
    rows = store.connection.execute("select * from runs order by rowid")
    return [_record(row, metrics[row["key"]]) for row in rows]


def _record(row: sqlite3.Row, metrics: Sequence[sqlite3.Row]) -> RunRecord:
    scopes: dict[str, dict[str, MetricValues]] = defaultdict(lambda: defaultdict(dict))
    for metric in metrics:
        scopes[metric["scope"]][metric["category"]][metric["metric"]] = metric["value"]
    known = dict(row) | json.loads(row["earlier"] or "{}")  # finished, though it is being made again
    return RunRecord(known, dict(scopes["category"]), scopes["mean"][""], scopes["pooled"][""])


def _task_key(record: RunRecord) -> tuple[Any, ...]:
    return tuple(record.row[name] for name in ("protocol", "task", "most_train", "most_test"))


def settings_of(row: dict[str, Any]) -> dict[str, Any]:
    """List the settings that distinguish one series from another, those of the method included."""
    names = ("method", "teacher", "teacher_sha256", "precision", "most_train", "most_test")
    return {
        **{name: row[name] for name in names},
        "teacher_levels": ", ".join(json.loads(row["teacher_levels"])),
        **json.loads(row["config"]),
    }


def _labelled(groups: Sequence[tuple[str, dict[str, Any], list[RunRecord]]]) -> list[RunSeries]:
    return [
        RunSeries(protocol, _label(settings, [s for p, s, _ in groups if p == protocol]), settings, runs)
        for protocol, settings, runs in groups
    ]


def _label(settings: dict[str, Any], all_settings: Sequence[dict[str, Any]]) -> str:
    """Name a series by its method, and by the settings in which it differs from others of that method."""
    same_method = [other for other in all_settings if other["method"] == settings["method"]]
    # Settings that were added since are missing in older runs.
    differing = [name for name in settings if len({str(other.get(name)) for other in same_method}) > 1]
    text = ", ".join(f"{name} {_short(name, settings[name])}" for name in differing)
    return f"{settings['method']} ({text})" if text else settings["method"]


def _short(name: str, value: Any) -> str:
    return str(value)[:8] if name.endswith("sha256") else str(value)
