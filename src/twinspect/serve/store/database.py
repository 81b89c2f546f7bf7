"""Opening a database: which kinds there are, what makes each safe for several processes, and how it is updated."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from twinspect.errors import ConfigError, StoreError, optional
from twinspect.serve.store.schema import VERSION_TABLE

PATIENCE: Final = 60.0
"""Seconds to wait for other processes that write."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"
_UPGRADE_KEY: Final = 0x7477696E
"""By what processes that open one PostgreSQL database at once wait for each other (``twin`` in ASCII)."""
_one_at_a_time: Final = threading.Lock()
"""Alembic keeps what it is doing in a module, so threads take turns."""


def open_database(url: str) -> Engine:
    """Open a database and bring its tables up to date.

    Args:
        url: ``sqlite:////var/lib/parts/store.db`` or ``postgresql://user:password@host/name``.

    Raises:
        ConfigError: another kind of database, or no URL.
        MissingExtraError: the driver of PostgreSQL is not installed.
        StoreError: it cannot be reached, is something else, or was written by a newer twinspect.
    """
    read = _read_url(url)
    engine = _sqlite(read) if read.get_backend_name() == "sqlite" else _postgresql(read)
    shown = read.render_as_string(hide_password=True)
    try:
        _upgrade(engine, shown)
    except (DBAPIError, sqlite3.DatabaseError) as error:
        engine.dispose()
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StoreError(f"the database {shown} cannot be used: {reason}; choose another --db") from error
    except StoreError:
        engine.dispose()
        raise
    return engine


def writing(engine: Engine) -> Engine:
    """Give the same engine for transactions that write: in SQLite they take the lock before they read."""
    return engine.execution_options(writes=True)


def _read_url(url: str) -> URL:
    kinds = "sqlite:///FILE and postgresql://USER:PASSWORD@HOST/NAME"
    try:
        read = make_url(url)
    except ArgumentError as error:  # its message may show a password
        raise ConfigError(f"that is no URL of a database; there are {kinds}") from error
    backend, database = read.get_backend_name(), read.database
    if backend not in ("sqlite", "postgresql"):
        raise ConfigError(f"no database of kind {backend!r}; there are {kinds}")
    if backend == "sqlite" and (not database or database == ":memory:" or database.startswith("file:")):
        raise ConfigError("several threads and processes share the store: give SQLite a file, sqlite:///FILE")
    return read


def _sqlite(url: URL) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": PATIENCE})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where they are begun, not at the first change
    connection.execute("pragma foreign_keys = on")
    connection.execute("pragma synchronous = full")  # what was committed survives the loss of power, too


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer fails at once if another wrote meanwhile; who takes the lock first waits in line.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("begin immediate" if writes else "begin")


def _write_ahead(engine: Engine) -> None:
    """Let readers go on while one process writes; the file remembers it."""
    end = time.monotonic() + PATIENCE
    while not _is_ahead(engine) and time.monotonic() < end:
        time.sleep(0.05)


def _is_ahead(engine: Engine) -> bool:
    """Ask for the change and say whether it is made; unlike all else it does not wait for others by itself."""
    raw = engine.raw_connection()
    try:
        return bool(raw.cursor().execute("pragma journal_mode = wal").fetchone() == ("wal",))
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    finally:
        raw.close()


def _postgresql(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+pg8000")
    if url.drivername == "postgresql+pg8000":
        optional("pg8000", "postgres")
    return create_engine(url, pool_pre_ping=True)


def _upgrade(engine: Engine, shown: str) -> None:
    if engine.dialect.name == "sqlite":
        _write_ahead(engine)
    with _one_at_a_time, writing(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({_UPGRADE_KEY})")
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        if not _is_current(connection, ScriptDirectory.from_config(config), shown):
            command.upgrade(config, "head")


def _is_current(connection: Connection, steps: ScriptDirectory, shown: str) -> bool:
    found = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
    known = [step.revision for step in steps.walk_revisions()]
    if found is not None and found not in known:
        raise StoreError(
            f"the database {shown} is of format {found}, and this twinspect knows {known[0]} at most; "
            "type: pip install --upgrade twinspect"
        )
    return found == steps.get_current_head()
