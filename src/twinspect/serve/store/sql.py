"""Helpers for SQL that works in both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Table
    from sqlalchemy.sql.selectable import FromClause


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that can take an ON CONFLICT clause, which both databases support."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert(table)


def insert_row(connection: Connection, table: Table, **values: Any) -> int:
    """Add a row and return its id."""
    return int(connection.execute(table.insert().values(**values).returning(table.c.id)).scalar_one())


def columns_of(row: Row[Any], table: FromClause) -> dict[str, Any]:
    """Return the columns of one table, by name, from a row that joins several."""
    return {column.key: row._mapping[column] for column in table.c}  # noqa: SLF001 - SQLAlchemy's public name


def check_reason(who: str, reason: str) -> None:
    """Refuse a change without an author or a reason, which the audit needs.

    Raises:
        ConfigError: either is empty.
    """
    if not who.strip() or not reason.strip():
        raise ConfigError("a change of the calibration needs who makes it and why, for instance 'new lamp'")
