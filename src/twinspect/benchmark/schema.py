"""The tables of ``runs.sqlite``, made for being asked in plain SQL, and how the file is opened.

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
"""Of the tables, and of what a run's key is made of."""
FILE: Final = "runs.sqlite"
APPLICATION: Final = 0x7477696E
"""Marks the file as ours (``twin`` in ASCII); SQLite keeps the number in its header."""
PATIENCE: Final = 60.0
"""Seconds to wait for other processes that write."""

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


def open_store(folder: Path, *, create: bool) -> sqlite3.Connection:
    """Open the file of runs in a folder, making both if that is wanted.

    Raises:
        ConfigError: the folder holds something else, or nothing although it should not be made.
    """
    check_folder(folder, create=create)
    folder.mkdir(parents=True, exist_ok=True)
    return connect(folder / FILE)


def connect(path: Path) -> sqlite3.Connection:
    """Connect to the file, making its tables if there are none.

    Raises:
        ConfigError: it is no such file, or one of another format.
    """
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        _check_file(path, connection)
        _write_ahead(connection)
        with transaction(connection):
            for table in TABLES:
                connection.execute(table)
            connection.execute(f"pragma application_id = {APPLICATION}")
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
    """Keep other writers out until the block ends; nothing of it is written if it raises."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def check_folder(folder: Path, *, create: bool) -> None:
    """Refuse a folder that cannot hold a file of runs, or holds one that is none, without making anything.

    Raises:
        ConfigError: it holds something else, or nothing although it should not be made.
    """
    if (folder / FILE).is_file():
        connect(folder / FILE).close()
        return
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; --out takes a folder")
    if not create:
        raise ConfigError(f"{folder} holds no {FILE}; name the --out of a benchmark that was begun")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder} holds other things and no {FILE}; choose an empty or a new folder for --out"
        )


def _check_file(path: Path, connection: sqlite3.Connection) -> None:
    if not connection.execute("select count(*) from sqlite_master").fetchone()[0]:
        return
    marks = [
        connection.execute(f"pragma {name}").fetchone()[0] for name in ("application_id", "user_version")
    ]
    if marks[0] != APPLICATION:
        raise ConfigError(f"{path} is a database of something else; choose another --out")
    if marks[1] != FORMAT:
        raise ConfigError(
            f"{path} has format {marks[1]}, and this twinspect writes {FORMAT}; choose another --out"
        )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers read while another process writes.

    The log's index is shared memory, so processes that use a file at the same time must be on one machine.
    """
    deadline = time.monotonic() + PATIENCE
    while not _is_ahead(connection) and time.monotonic() < deadline:
        time.sleep(0.05)


def _is_ahead(connection: sqlite3.Connection) -> bool:
    """Ask for the change and say whether it is made; unlike all else it does not wait for others by itself."""
    with suppress(sqlite3.OperationalError):
        connection.execute("pragma journal_mode = wal")
    return bool(connection.execute("pragma journal_mode").fetchone()[0] == "wal")
