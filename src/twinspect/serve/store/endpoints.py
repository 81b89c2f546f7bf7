"""The two ends of a line: sources, where images come from, and sinks, where results go. Both are kept alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import select, update

from twinspect.errors import NotStoredError
from twinspect.serve.store import audit_log
from twinspect.serve.store.line_records import SinkRow, SourceRow
from twinspect.serve.store.schema import MODELS, SINKS, SOURCES
from twinspect.serve.store.sql import columns_of, insert_row

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from twinspect.serve.store.store import Store

Row = TypeVar("Row", bound=SinkRow | SourceRow)


def sinks(store: Store) -> Endpoints[SinkRow]:
    """Return access to the sinks of a store."""
    return Endpoints(store, SINKS, SinkRow)


def sources(store: Store) -> Endpoints[SourceRow]:
    """Return access to the sources of a store."""
    return Endpoints(store, SOURCES, SourceRow)


class Endpoints(Generic[Row]):
    """The rows of one kind of endpoint; every change is recorded in the audit.

    Args:
        store: where they are.
        table: of these rows.
        record: what a row becomes.
    """

    def __init__(self, store: Store, table: Table, record: type[Row]) -> None:
        self._store, self._table, self._record = store, table, record
        self._kind = table.name.removesuffix("s")

    def add(self, who: str, **values: Any) -> Row:
        """Add one, with the columns of its record but for ``id``, ``created_*`` and ``removed_at``."""
        with self._store.writing() as connection:
            now = self._store.now()
            number = insert_row(connection, self._table, created_at=now, created_by=who, **values)
            row = self._read(connection, number)
            self._note(connection, who, row, "added")
            return row

    def all(self, model: str | None = None) -> list[Row]:
        """Return those that are not removed, of a model or of all, the oldest first."""
        query = select(self._table).where(self._table.c.removed_at.is_(None)).order_by(self._table.c.id)
        if model is not None:
            query = query.where(self._table.c.model == model)
        with self._store.reading() as connection:
            return [self._record(**columns_of(row, self._table)) for row in connection.execute(query)]

    def read(self, number: int) -> Row:
        """Return one.

        Raises:
            NotStoredError: none has this id, or it was removed.
        """
        with self._store.reading() as connection:
            return self._read(connection, number)

    def change(self, who: str, number: int, **values: Any) -> Row:
        """Change some columns.

        Raises:
            NotStoredError: none has this id, or it was removed.
        """
        with self._store.writing() as connection:
            self._read(connection, number)
            connection.execute(update(self._table).where(self._table.c.id == number).values(**values))
            row = self._read(connection, number)
            self._note(connection, who, row, "changed")
            return row

    def remove(self, who: str, number: int) -> None:
        """Remove one, and forget its secrets; the row stays, for what refers to it.

        Raises:
            NotStoredError: none has this id, or it was removed before.
        """
        with self._store.writing() as connection:
            row = self._read(connection, number)
            removed = update(self._table).where(self._table.c.id == number)
            connection.execute(removed.values(removed_at=self._store.now(), secrets={}))
            self._note(connection, who, row, "removed")

    def _read(self, connection: Connection, number: int) -> Row:
        query = select(self._table).where(self._table.c.id == number, self._table.c.removed_at.is_(None))
        row = connection.execute(query).first()
        if row is None:
            raise NotStoredError(f"no {self._kind} of id {number}")
        return self._record(**columns_of(row, self._table))

    def _note(self, connection: Connection, who: str, row: Row, change: str) -> None:
        model_id = connection.execute(select(MODELS.c.id).where(MODELS.c.name == row.model)).scalar()
        details = {self._kind: row.id, "model": row.model, "kind": row.kind}
        audit_log.add_entry(
            connection,
            self._store.now(),
            who,
            self._kind,
            f"{row.kind} {self._kind} {change}",
            model_id=model_id,
            details=details,
        )
