"""Stores of tests do not wait for the disk, and begin with the tables that the migrations led to once."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from functools import cache, wraps
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine


@pytest.fixture(scope="session", autouse=True)
def _quick_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let SQLite commit without `fsync`, as no test takes the power away, and copy new databases.

    Tests of what is done otherwise take the originals by `inspect.unwrap`.
    """
    if find_spec("sqlalchemy") is None:
        yield
        return
    from twinspect.serve.store import database

    prepare, upgrade = database._prepare_sqlite, database._upgrade

    @wraps(prepare)
    def prepare_and_relax(connection: Any, record: object) -> None:
        prepare(connection, record)
        connection.execute("pragma synchronous = off")

    @cache
    def upgraded() -> Path:
        path = tmp_path_factory.mktemp("upgraded") / "store.db"
        engine = database._sqlite(database.make_url(f"sqlite:///{path}"))
        upgrade(engine, "a new database")
        engine.dispose()
        return path

    @wraps(upgrade)
    def copy_and_upgrade(engine: Engine, shown: str) -> None:
        if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
            copy_at_once(upgraded(), Path(str(engine.url.database)))
        upgrade(engine, shown)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_prepare_sqlite", prepare_and_relax)
        patch.setattr(database, "_upgrade", copy_and_upgrade)
        yield


def copy_at_once(source: Path, path: Path) -> None:
    """Copy a file as a whole, unless somebody else was quicker."""
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    shutil.copyfile(source, part)
    with suppress(FileExistsError):
        os.link(part, path)
    part.unlink()
