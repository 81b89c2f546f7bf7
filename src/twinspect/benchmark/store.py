"""The runs of a benchmark in one SQLite file that several processes share: planned, claimed, finished, failed."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from twinspect.benchmark.environment import machine
from twinspect.benchmark.process_lease import SECONDS_BETWEEN_BEATS, ProcessIdentity, this_process
from twinspect.benchmark.schema import FILE, connect, open_store, transaction
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from twinspect.benchmark.plan import Run
    from twinspect.benchmark.trial import Trial
    from twinspect.evaluation.metric_row import MetricRow

_CLAIMED = "state = 'running' and host = :host and pid = :pid and process = :process"
_OWNED = f"key = :key and {_CLAIMED}"


class RunStore:
    """A folder with its file of runs.

    Args:
        folder: the benchmark's ``--out``.
        create: make it if it is not there.
        device: that this process computes on, for the record of what it claims.
        owner: the process that claims; this one, except in tests.

    Raises:
        ConfigError: the folder holds something else, or no runs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        create: bool = False,
        device: str = "auto",
        owner: ProcessIdentity | None = None,
    ) -> None:
        self.folder = folder
        self.connection = open_store(folder, create=create)
        self._owner = owner or this_process()
        self._device = device

    def __enter__(self) -> RunStore:  # noqa: PYI034 - nobody derives from a store
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def plan(self, runs: Sequence[Run]) -> None:
        """Note runs that are not known yet; those that are stay as they are."""
        with transaction(self.connection):
            for run in runs:
                _insert(self.connection, run)

    def retry(self, keys: Iterable[str]) -> None:
        """Let runs that failed be claimed again."""
        with transaction(self.connection):
            for key in keys:
                _forget(self.connection, "key = ? and state = 'failed'", (key,))

    def redo(self, keys: Iterable[str]) -> None:
        """Let runs that are done be claimed again, for what they left is gone; their metrics are forgotten."""
        with transaction(self.connection):
            for key in keys:
                if _forget(self.connection, "key = ? and state = 'done'", (key,)):
                    self.connection.execute("delete from metrics where run = ?", (key,))

    def supersede(self, runs: Sequence[Run]) -> None:
        """Remove other runs of the same tasks, whose results those of these runs replace.

        Raises:
            ConfigError: one of them is at work in a living process; nothing is removed.
        """
        own = {run.key for run in runs}
        places = {(run.what["protocol"], run.what["task"]) for run in runs}
        with transaction(self.connection):
            for row in self.connection.execute("select * from runs").fetchall():
                if (row["protocol"], row["task"]) in places and row["key"] not in own:
                    _remove(self.connection, row)

    def claim(self, keys: Sequence[str]) -> str | None:
        """Take the first run that waits, or whose process is dead; nobody else gets it.

        Args:
            keys: the runs to choose from, in the order of preference.

        Returns:
            Its key; ``None`` where there is none left.
        """
        with transaction(self.connection):
            found = {row["key"]: row for row in self.connection.execute("select * from runs")}
            free = (key for key in keys if _is_free(found[key]))
            key = next(free, None)
            if key is not None:
                owned = {
                    **vars(self._owner),
                    **machine(self._device),
                    "started": _now(),
                    "heartbeat": time.time(),
                }
                _update(self.connection, key, {"state": "running", "finished": None, "error": None, **owned})
        return key

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Say now and then that this process lives, for all runs that it claimed, until the block ends."""
        over = threading.Event()
        beating = threading.Thread(target=self._beat, args=(over,), daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join()

    def finish(self, key: str, found: Trial) -> bool:
        """Write down what a run found.

        Returns:
            Whether the run was still this process's; if it was taken over, nothing is written.
        """
        result = {**found.images, **vars(found.costs), "error_bounds": json.dumps(found.error_bounds)}
        with transaction(self.connection):
            owned = self._close(key, {"state": "done", **result})
            if owned:
                self.connection.executemany("insert into metrics values (?, ?, ?, ?, ?)", _lines(key, found))
        return owned

    def fail(self, key: str, message: str) -> None:
        """Write down why a run failed."""
        with transaction(self.connection):
            self._close(key, {"state": "failed", "error": message})

    def release(self, key: str) -> None:
        """Give a claim back, to be taken up later by whoever comes."""
        with transaction(self.connection):
            _forget(self.connection, _OWNED, {"key": key, **vars(self._owner)})

    def rows(self, keys: Iterable[str]) -> list[sqlite3.Row]:
        """Give all that is known of runs, except their metrics."""
        wanted = set(keys)
        return [row for row in self.connection.execute("select * from runs") if row["key"] in wanted]

    def means(self, metric: str) -> dict[str, float]:
        """Give a metric's mean over the categories, by the key of the run, of all runs that have it."""
        command = "select run, value from metrics where scope = 'mean' and metric = ?"
        return {row["run"]: row["value"] for row in self.connection.execute(command, (metric,))}

    def _close(self, key: str, values: Mapping[str, Any]) -> bool:
        return _update(self.connection, key, {**values, "finished": _now()}, self._owner)

    def _beat(self, over: threading.Event) -> None:
        # A connection belongs to its thread.
        with closing(connect(self.folder / FILE)) as own:
            command = f"update runs set heartbeat = :now where {_CLAIMED}"  # noqa: S608 - no value is in it
            while not over.wait(SECONDS_BETWEEN_BEATS):
                # One beat may be lost where others write for long; the next will do.
                with suppress(sqlite3.OperationalError):
                    own.execute(command, {"now": time.time(), **vars(self._owner)})


def _insert(connection: sqlite3.Connection, run: Run) -> None:
    what = run.what
    row = {name: what[name] for name in ("protocol", "task", "most_train", "most_test", "data", "method")}
    row |= {
        "key": run.key,
        "config": json.dumps(what["config"]),
        "teacher": what["teacher"]["name"],
        "teacher_sha256": what["teacher"]["sha256"],
        "teacher_levels": json.dumps(what["teacher"]["levels"]),
        "seed": what["seed"],
        "precision": what["precision"],
    }
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    connection.execute(f"insert or ignore into runs ({names}) values ({places})", row)  # noqa: S608 - our names


def _update(
    connection: sqlite3.Connection, key: str, values: Mapping[str, Any], owner: ProcessIdentity | None = None
) -> bool:
    """Set columns of a run, if it is the owner's or nobody's in particular is asked for; say whether that was so."""
    changes = ", ".join(f"{name} = :new_{name}" for name in values)
    where = "key = :key" if owner is None else _OWNED
    given = {**{f"new_{name}": value for name, value in values.items()}, "key": key}
    command = f"update runs set {changes} where {where}"  # noqa: S608 - names of columns are ours
    return connection.execute(command, {**given, **(vars(owner) if owner else {})}).rowcount == 1


def _forget(connection: sqlite3.Connection, where: str, values: Any) -> bool:
    """Let runs wait again as if nobody had touched them; say whether there were any."""
    command = "update runs set state = 'waiting', error = null, started = null, finished = null"
    return connection.execute(f"{command} where {where}", values).rowcount > 0


def _remove(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    if row["state"] == "running" and not _is_free(row):
        raise ConfigError(
            f"{row['task']} is being made with other settings or images by process {row['pid']} on {row['host']}; "
            "wait for it, or stop it first"
        )
    connection.execute("delete from metrics where run = ?", (row["key"],))
    connection.execute("delete from runs where key = ?", (row["key"],))


def _is_free(row: sqlite3.Row) -> bool:
    if row["state"] == "running":
        return not ProcessIdentity(row["host"], row["pid"], row["process"]).is_alive(row["heartbeat"])
    return bool(row["state"] == "waiting")


def _lines(key: str, found: Trial) -> Iterator[tuple[str, str, str, str, float]]:
    """List a run's metrics; one that is not defined has no row."""
    lines: list[tuple[str, str, MetricRow]] = [
        *[("category", name, line) for name, line in found.categories.items()],
        ("mean", "", found.mean),
        ("pooled", "", found.pooled),
    ]
    for scope, category, line in lines:
        for metric, value in line.items():
            if value is not None:
                yield key, scope, category, metric, value


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
