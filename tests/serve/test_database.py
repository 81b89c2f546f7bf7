"""Opening: every database becomes today's, once, whoever comes first; what cannot be used is named."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from importlib.resources import files
from inspect import unwrap
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from store_data import accept, register
from store_data import inspect as inspect_scores
from twinspect import errors, serve
from twinspect.errors import ConfigError, MissingExtraError, StoreError
from twinspect.serve.store import Filter, Store
from twinspect.serve.store import database as database_module
from twinspect.serve.store.schema import METADATA, VERSION_TABLE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def template() -> str:
    """New databases are empty."""
    return "template1"


@pytest.fixture(autouse=True)
def as_a_user_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither copied nor without waiting for the disk."""
    for name in ("_prepare_sqlite", "_upgrade"):
        monkeypatch.setattr(database_module, name, unwrap(getattr(database_module, name)))


def test_migrations_lead_from_nothing_to_the_tables_as_they_are_declared(
    database: str, tmp_path: Path
) -> None:
    Store(database, tmp_path).close()
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []
        inspector, declared = inspect(connection), METADATA.tables.values()
        for table in declared:  # what alembic does not compare
            checks = {check["name"] for check in inspector.get_check_constraints(table.name)}
            assert checks == {
                str(c.name) for c in table.constraints if isinstance(c, sqlalchemy.CheckConstraint)
            }
    engine.dispose()


def test_a_store_of_the_first_version_keeps_its_rows_and_they_count_as_inspectable(
    database: str, tmp_path: Path
) -> None:
    with Store(database, tmp_path) as store:
        model = register(store)
        (old,) = inspect_scores(store, model, [0.5])
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        for table in (
            "shadow_scores",
            "versions",
            "jobs",
            "photos",
            "products",
            "deliveries",
            "sinks",
            "sources",
        ):
            connection.exec_driver_sql(f"drop table {table}")
        connection.exec_driver_sql("alter table feedback drop column region")
        connection.exec_driver_sql("alter table inspections drop column not_inspectable")
        connection.exec_driver_sql("alter table inspections drop column notice")
        connection.exec_driver_sql("alter table inspections drop column regions")
        connection.exec_driver_sql(f"update {VERSION_TABLE} set version_num = '0001'")
    engine.dispose()
    with Store(database, tmp_path) as store:
        assert store.inspection(old.id) == replace(old, not_inspectable=None, notice=None, regions=None)
        assert store.search(Filter(decision="good"), None, 10).total == 1
        assert store.search(Filter(decision="not_inspectable"), None, 10).total == 0
        assert len(store.scores(model.id)) == 1


def test_a_store_is_opened_again_with_what_it_held(database: str, tmp_path: Path) -> None:
    with Store(database, tmp_path) as store:
        row = accept(store, register(store), 1)
    with Store(database, tmp_path) as store:
        assert store.inspection(row.id) == row


def test_many_may_open_a_new_database_at_once(database: str, tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with Store(database, tmp_path) as store:
                register(store)
        except BaseException as error:  # noqa: BLE001 - a thread's failure would be lost
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Store(database, tmp_path) as store:
        assert len(store.calibrations(store.model("bottle").id)) == 1


def test_without_a_url_it_is_a_file_in_the_folder_that_loses_nothing(tmp_path: Path) -> None:
    with Store(None, tmp_path / "new" / "data") as store, store.reading() as connection:
        modes = [connection.exec_driver_sql(f"pragma {p}").scalar() for p in ("journal_mode", "synchronous")]
        assert modes == ["wal", 2]  # 2 is FULL
        assert connection.exec_driver_sql("pragma foreign_keys").scalar() == 1
    assert (tmp_path / "new" / "data" / "store.db").is_file()
    assert (tmp_path / "new" / "data" / "images").is_dir()


def test_a_database_of_a_newer_twinspect_is_left_alone(database: str, tmp_path: Path) -> None:
    Store(database, tmp_path).close()
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"update {VERSION_TABLE} set version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreError, match="of format 9999, and this twinspect knows 0007 at most"):
        Store(database, tmp_path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("store.db", "this is not the URL of a database; supported are sqlite:///FILE and postgresql://"),
        ("mysql://me:secret@host/parts", "no database of kind 'mysql'"),
        ("sqlite://", "give SQLite a file"),
        ("sqlite:///:memory:", "give SQLite a file"),
    ],
)
def test_other_databases_are_refused(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Store(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are no inspections " * 100, encoding="utf-8")
    with pytest.raises(
        StoreError, match=r"notes\.txt cannot be used: file is not a database; choose another --db"
    ):
        Store(f"sqlite:///{tmp_path / 'notes.txt'}", tmp_path)


def test_a_place_where_no_file_can_be_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        Store(f"sqlite:///{tmp_path}", tmp_path)


def test_a_database_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        theirs.execute("create table models (their text)")
    theirs.close()
    with pytest.raises(StoreError, match="table models already exists"):
        Store(f"sqlite:///{tmp_path / 'theirs.db'}", tmp_path)
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        assert theirs.execute("select name from sqlite_master").fetchall() == [("models",)]
    theirs.close()


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("pg8000")
    with pytest.raises(StoreError, match="cannot be used") as caught:
        Store("postgresql://me:secret@127.0.0.1:9/parts", tmp_path)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:9/parts" in str(caught.value)


def test_what_is_not_installed_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    serve.check_installed()
    monkeypatch.setattr(errors.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'twinspect\[serve\]'"):
        serve.check_installed()
    with pytest.raises(MissingExtraError, match=r"pip install 'twinspect\[postgres\]'"):
        Store("postgresql://me@127.0.0.1:9/parts", tmp_path)


def test_migrations_are_part_of_the_package() -> None:
    steps = files("twinspect.serve.store.migrations")
    assert (steps / "env.py").is_file()
    assert (steps / "versions" / "v0001_first.py").is_file()
