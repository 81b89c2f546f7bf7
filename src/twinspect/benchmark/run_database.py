"""The tables of ``runs.sqlite``, which can be queried in plain SQL, and how the file is opened.

select task, method, seed, value from runs join metrics on run = key where metric = 'image_auroc'
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT: Final = 1
"""Version of the tables, and of what a run's key is made of."""
FILE: Final = "runs.sqlite"
APPLICATION_ID: Final = 0x7477696E
"""Marks the file as ours (``twin`` in ASCII); SQLite keeps the number in its header."""
BUSY_TIMEOUT: Final = 60.0
"""Seconds to wait while other processes write."""

TABLES: Final = (
    """
    create table if not exists runs (
        key text primary key,
        protocol text not null, task text not null, most_train integer, most_test integer, data text not null,
        method text not null, config text not null,
        teacher text not null, teacher_sha256 text not null, teacher_levels text not null,
        seed integer not null, precision text not null,
        state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed')),
        error text,
        started text, finished text, heartbeat real,
        host text, pid integer, process text,
        version text, git_commit text, device text, cores integer, python text, torch text,
        train integer, good integer, anomalous integer, unreadable integer,
        fit_seconds real, images_per_second real, peak_memory integer, gpu_memory integer,
        parameters integer, trained_parameters integer, error_bounds text
    )
    """,
    """
    create table if not exists metrics (
        run text not null references runs (key),
        scope text not null check (scope in ('category', 'mean', 'pooled')),
        category text not null,
        metric text not null,
        value real not null,
        primary key (run, scope, category, metric)
    ) without rowid
    """,
)
ADDED_COLUMNS: Final = {"batch1_seconds": "real", "curves": "text", "earlier": "text"}
"""Columns of ``runs`` that its first versions did not have; runs of that time have nothing in them.

``earlier`` is set while a finished run is made again: JSON of what the claim replaced in its row. All other columns
and the metrics are of the earlier time until the new results are written.
"""


def open_store(folder: Path, *, create: bool) -> sqlite3.Connection:
    """Open the file of runs in a folder.

    Args:
        folder: the benchmark's ``--out``.
        create: make the folder and the file if they do not exist.

    Raises:
        ConfigError: the folder holds something else, or nothing and ``create`` is false.
    """
    check_folder(folder, create=create)
    folder.mkdir(parents=True, exist_ok=True)
    return connect(folder / FILE)


def connect(path: Path) -> sqlite3.Connection:
    """Connect to the file, creating its tables if there are none.

    Raises:
        ConfigError: it is not a file of runs, or one of another format.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        _check_file(path, connection)
        _use_write_ahead_log(connection)
        with transaction(connection):
            for table in TABLES:
                connection.execute(table)
            _add_columns(connection)
            connection.execute(f"pragma application_id = {APPLICATION_ID}")
            connection.execute(f"pragma user_version = {FORMAT}")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ConfigError(
            f"{path} cannot be used as a file of runs ({error}); choose another --out"
        ) from error
    except ConfigError:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Lock out other writers until the block ends; if it raises, nothing of it is written."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def check_folder(folder: Path, *, create: bool) -> None:
    """Check that a folder holds a file of runs or can hold one, without creating anything.

    Raises:
        ConfigError: it holds something else, or nothing and ``create`` is false.
    """
    if (folder / FILE).is_file():
        connect(folder / FILE).close()
        return
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; --out takes a folder")
    if not create:
        raise ConfigError(f"{folder} holds no {FILE}; name the --out of a benchmark that was started")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder} holds other files and no {FILE}; choose an empty or a new folder for --out"
        )


def _check_file(path: Path, connection: sqlite3.Connection) -> None:
    if not connection.execute("select count(*) from sqlite_master").fetchone()[0]:
        return
    application_id, version = [
        connection.execute(f"pragma {name}").fetchone()[0] for name in ("application_id", "user_version")
    ]
    if application_id != APPLICATION_ID:
        raise ConfigError(f"{path} is another program's database; choose another --out")
    if version != FORMAT:
        raise ConfigError(
            f"{path} has format {version}, and this twinspect writes {FORMAT}; choose another --out"
        )


def _add_columns(connection: sqlite3.Connection) -> None:
    present = {row["name"] for row in connection.execute("pragma table_info(runs)")}
    for name, kind in ADDED_COLUMNS.items():
        if name not in present:
            connection.execute(f"alter table runs add column {name} {kind}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let readers read while another process writes.

    The index of the write-ahead log is shared memory, so all processes that use the file at once must be on one
    machine.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT
    while not _uses_write_ahead_log(connection) and time.monotonic() < deadline:
        time.sleep(0.05)


def _uses_write_ahead_log(connection: sqlite3.Connection) -> bool:
    """Ask for the log and tell whether it is used; unlike other statements, this one does not wait by itself."""
    with suppress(sqlite3.OperationalError):
        connection.execute("pragma journal_mode = wal")
    return bool(connection.execute("pragma journal_mode").fetchone()[0] == "wal")
