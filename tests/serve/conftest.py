"""Stores of tests do not wait for the disk."""

from __future__ import annotations

from functools import wraps
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _sqlite_without_waiting_for_the_disk() -> Iterator[None]:
    """Let SQLite commit without `fsync`: a process may be killed at any time, but the power stays on."""
    if find_spec("sqlalchemy") is None:
        yield
        return
    from twinspect.serve.store import database

    prepare = database._prepare_sqlite

    @wraps(prepare)
    def prepare_and_relax(connection: Any, record: object) -> None:
        prepare(connection, record)
        connection.execute("pragma synchronous = off")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_prepare_sqlite", prepare_and_relax)
        yield
