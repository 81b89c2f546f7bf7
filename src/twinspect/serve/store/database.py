"""Opening a database: the supported kinds, what makes each safe for several processes, and its migrations."""

from __future__ import annotations

import logging
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

LOCK_TIMEOUT: Final = 60.0
"""Seconds to wait for other writers."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"
_UPGRADE_KEY: Final = 0x7477696E
"""Key of the lock by which processes that open one PostgreSQL database take turns (``twin`` in ASCII)."""
_UPGRADE_LOCK: Final = threading.Lock()
"""Alembic keeps its state in a module, so threads take turns."""


def open_database(url: str) -> Engine:
    """Open a database and bring its tables up to date.

    Args:
        url: ``sqlite:////var/lib/parts/store.db`` or ``postgresql://user:password@host/name``.

    Raises:
        ConfigError: the database is of an unsupported kind, or this is not a URL.
        MissingExtraError: the driver of PostgreSQL is not installed.
        StoreError: it cannot be reached, holds something else, or was written by a newer twinspect.
    """
    parsed = _parse_url(url)
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    shown = parsed.render_as_string(hide_password=True)
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


def for_writing(engine: Engine) -> Engine:
    """Return the same engine for writing transactions, which in SQLite take the lock before they read."""
    return engine.execution_options(writes=True)


def _parse_url(url: str) -> URL:
    kinds = "sqlite:///FILE and postgresql://USER:PASSWORD@HOST/NAME"
    try:
        parsed = make_url(url)
    except ArgumentError as error:  # its message may show a password
        raise ConfigError(f"this is not the URL of a database; supported are {kinds}") from error
    backend, database = parsed.get_backend_name(), parsed.database
    if backend not in ("sqlite", "postgresql"):
        raise ConfigError(f"no database of kind {backend!r}; supported are {kinds}")
    if backend == "sqlite" and (not database or database == ":memory:" or database.startswith("file:")):
        raise ConfigError("several threads and processes share the store: give SQLite a file, sqlite:///FILE")
    return parsed


def _sqlite(url: URL) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin explicitly, not at the first change
    connection.execute("pragma foreign_keys = on")
    connection.execute("pragma synchronous = full")  # commits survive a loss of power


def _begin_sqlite(connection: Connection) -> None:
    # A reader that becomes a writer fails at once if another wrote meanwhile; taking the lock first waits instead.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("begin immediate" if writes else "begin")


def _enable_wal(engine: Engine) -> None:
    """Switch to write-ahead logging, so that readers go on while one process writes; the file keeps this setting."""
    end = time.monotonic() + LOCK_TIMEOUT
    while not _try_enable_wal(engine) and time.monotonic() < end:
        time.sleep(0.05)


def _try_enable_wal(engine: Engine) -> bool:
    """Try to switch, and return whether it worked; unlike other statements this one does not wait for locks."""
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
        _enable_wal(engine)
    with _UPGRADE_LOCK, for_writing(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({_UPGRADE_KEY})")
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        logging.getLogger("alembic").setLevel(
            logging.WARNING
        )  # its notes on each opening tell a user nothing
        if not _is_current(connection, ScriptDirectory.from_config(config), shown):
            command.upgrade(config, "head")


def _is_current(connection: Connection, migrations: ScriptDirectory, shown: str) -> bool:
    revision = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
    known = [migration.revision for migration in migrations.walk_revisions()]
    if revision is not None and revision not in known:
        raise StoreError(
            f"the database {shown} is of format {revision}, and this twinspect knows {known[0]} at most; "
            "type: pip install --upgrade twinspect"
        )
    return revision == migrations.get_current_head()
