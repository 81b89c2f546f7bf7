"""The runs of a benchmark in one SQLite file that several processes share: planned, claimed, finished, failed."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from twinspect.benchmark.environment import describe_environment
from twinspect.benchmark.process_lease import HEARTBEAT_SECONDS, ProcessIdentity, this_process
from twinspect.benchmark.run_database import FILE, connect, open_store, transaction
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
        create: make it if it does not exist.
        device: the one that this process computes on, recorded with the runs that it claims.
        owner: the process that claims runs; this one, except in tests.

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
        self._again: dict[
            str, str
        ] = {}  # when each run to be made again was finished, which another process may do

    def __enter__(self) -> RunStore:  # noqa: PYI034 - has no subclasses
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def plan(self, runs: Sequence[Run]) -> None:
        """Add runs that are not in the store yet; the others stay as they are."""
        with transaction(self.connection):
            for run in runs:
                _insert(self.connection, run)

    def retry(self, keys: Iterable[str]) -> None:
        """Release failed runs to be claimed again."""
        with transaction(self.connection):
            for key in keys:
                _reset(self.connection, "key = ? and state = 'failed'", (key,))

    def requeue_finished(self, keys: Iterable[str]) -> None:
        """Release finished runs whose output is gone to be claimed again, and delete their metrics."""
        with transaction(self.connection):
            for key in keys:
                if _reset(self.connection, "key = ? and state = 'done'", (key,)):
                    self.connection.execute("delete from metrics where run = ?", (key,))

    def make_again(self, keys: Iterable[str]) -> None:
        """Let this process claim finished runs once more; their results stay until the new ones are written."""
        self._again = {row["key"]: row["finished"] for row in self.rows(keys) if row["state"] == "done"}

    def supersede(self, runs: Sequence[Run]) -> None:
        """Remove other runs of the same tasks, whose results are replaced by those of these runs.

        Raises:
            ConfigError: a living process is working on one of them; nothing is removed.
        """
        keys = {run.key for run in runs}
        tasks = {(run.identity["protocol"], run.identity["task"]) for run in runs}
        with transaction(self.connection):
            for row in self.connection.execute("select * from runs").fetchall():
                if (row["protocol"], row["task"]) in tasks and row["key"] not in keys:
                    _remove(self.connection, row)

    def claim(self, keys: Sequence[str]) -> str | None:
        """Claim the first run that waits, whose process is dead, or that is to be made again, for this process alone.

        Args:
            keys: the runs to choose from, in the order of preference.

        Returns:
            Its key; ``None`` if no run is left.
        """
        with transaction(self.connection):
            self._restore_abandoned()
            rows = {row["key"]: row for row in self.connection.execute("select * from runs")}
            key = next((key for key in keys if _is_free(rows[key]) or self._is_due(rows[key])), None)
            if key is not None:
                claim = {
                    "state": "running",
                    "finished": None,
                    "error": None,
                    **vars(self._owner),
                    **describe_environment(self._device),
                    "started": _now(),
                    "heartbeat": time.time(),
                }
                if rows[key]["state"] == "done":
                    claim["earlier"] = json.dumps({name: rows[key][name] for name in claim})
                    del self._again[key]
                _update(self.connection, key, claim)
        return key

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Write heartbeats for all runs that this process claimed, until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def finish(self, key: str, trial: Trial) -> bool:
        """Store the results of a run.

        Returns:
            Whether the run was still this process's; if another took it over, nothing is written.
        """
        result = {
            **trial.images,
            **vars(trial.costs),
            "error_bounds": json.dumps(trial.error_bounds),
            "curves": json.dumps(trial.curves),
        }
        with transaction(self.connection):
            owned = self._close(key, {"state": "done", "earlier": None, **result})
            if owned:
                self.connection.execute("delete from metrics where run = ?", (key,))
                command = "insert into metrics values (?, ?, ?, ?, ?)"
                self.connection.executemany(command, _metric_rows(key, trial))
        return owned

    def fail(self, key: str, message: str) -> None:
        """Store why a run failed; one that was made again keeps its earlier results instead."""
        with transaction(self.connection):
            if not self._restore_own(key):
                self._close(key, {"state": "failed", "error": message})

    def release(self, key: str) -> None:
        """Give up a claim: any process may claim the run again, or it is finished as before if it was made again."""
        with transaction(self.connection):
            if not self._restore_own(key):
                _reset(self.connection, _OWNED, {"key": key, **vars(self._owner)})

    def rows(self, keys: Iterable[str]) -> list[sqlite3.Row]:
        """Return all columns of some runs."""
        selected = set(keys)
        return [row for row in self.connection.execute("select * from runs") if row["key"] in selected]

    def means(self, metric: str) -> dict[str, float]:
        """Return a metric's mean over the categories, by run key, of all runs that have it."""
        command = "select run, value from metrics where scope = 'mean' and metric = ?"
        return {row["run"]: row["value"] for row in self.connection.execute(command, (metric,))}

    def _is_due(self, row: sqlite3.Row) -> bool:
        """Tell whether a finished run is to be made again, and no other process has done so since."""
        return bool(row["state"] == "done" and self._again.get(row["key"]) == row["finished"])

    def _restore_abandoned(self) -> None:
        """Finish runs as before that were being made again by processes that are dead."""
        command = "select * from runs where state = 'running' and earlier is not null"
        for row in self.connection.execute(command).fetchall():
            if _is_free(row):
                _restore(self.connection, row)

    def _restore_own(self, key: str) -> bool:
        """Finish a run as before that this process was making again; return whether it was."""
        command = f"select * from runs where {_OWNED} and earlier is not null"  # noqa: S608 - no value is in it
        row = self.connection.execute(command, {"key": key, **vars(self._owner)}).fetchone()
        if row is not None:
            _restore(self.connection, row)
        return row is not None

    def _close(self, key: str, values: Mapping[str, Any]) -> bool:
        return _update(self.connection, key, {**values, "finished": _now()}, self._owner)

    def _beat(self, stop: threading.Event) -> None:
        # A connection belongs to its thread.
        with closing(connect(self.folder / FILE)) as connection:
            command = f"update runs set heartbeat = :now where {_CLAIMED}"  # noqa: S608 - no value is in it
            while not stop.wait(HEARTBEAT_SECONDS):
                # A heartbeat may be lost while others write for long; the next one will do.
                with suppress(sqlite3.OperationalError):
                    connection.execute(command, {"now": time.time(), **vars(self._owner)})


def _insert(connection: sqlite3.Connection, run: Run) -> None:
    identity = run.identity
    row = {name: identity[name] for name in ("protocol", "task", "most_train", "most_test", "data", "method")}
    row |= {
        "key": run.key,
        "config": json.dumps(identity["config"]),
        "teacher": identity["teacher"]["name"],
        "teacher_sha256": identity["teacher"]["sha256"],
        "teacher_levels": json.dumps(identity["teacher"]["levels"]),
        "seed": identity["seed"],
        "precision": identity["precision"],
    }
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    connection.execute(f"insert or ignore into runs ({names}) values ({values})", row)  # noqa: S608 - our names


def _update(
    connection: sqlite3.Connection, key: str, values: Mapping[str, Any], owner: ProcessIdentity | None = None
) -> bool:
    """Set columns of a run, only if it is the owner's where one is given; return whether the run was changed."""
    changes = ", ".join(f"{name} = :new_{name}" for name in values)
    where = "key = :key" if owner is None else _OWNED
    parameters = {**{f"new_{name}": value for name, value in values.items()}, "key": key}
    command = f"update runs set {changes} where {where}"  # noqa: S608 - names of columns are ours
    return connection.execute(command, {**parameters, **(vars(owner) if owner else {})}).rowcount == 1


def _reset(connection: sqlite3.Connection, where: str, values: Any) -> bool:
    """Put runs back to waiting, as if never claimed; return whether there were any."""
    command = "update runs set state = 'waiting', error = null, started = null, finished = null"
    return connection.execute(f"{command} where {where}", values).rowcount > 0


def _restore(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """Put back what the claim of a finished run replaced."""
    _update(connection, row["key"], {**json.loads(row["earlier"]), "earlier": None})


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


def _metric_rows(key: str, trial: Trial) -> Iterator[tuple[str, str, str, str, float]]:
    """List a run's metrics; an undefined one has no row."""
    rows: list[tuple[str, str, MetricRow]] = [
        *[("category", name, row) for name, row in trial.categories.items()],
        ("mean", "", trial.mean),
        ("pooled", "", trial.pooled),
    ]
    for scope, category, row in rows:
        for metric, value in row.items():
            if value is not None:
                yield key, scope, category, metric, value


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
