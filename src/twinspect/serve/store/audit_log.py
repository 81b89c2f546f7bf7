"""The audit log: who changed what, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from twinspect.serve.store.records import AuditRow
from twinspect.serve.store.schema import AUDIT
from twinspect.serve.store.sql import columns_of, insert_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection


def add_entry(
    connection: Connection,
    at: datetime,
    who: str,
    action: str,
    reason: str,
    *,
    model_id: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry in the transaction of the change itself: neither exists without the other."""
    insert_row(
        connection,
        AUDIT,
        at=at,
        who=who,
        action=action,
        model_id=model_id,
        details=dict(details or {}),
        reason=reason,
    )


def read(connection: Connection, model_id: int | None, limit: int) -> list[AuditRow]:
    """Return the newest entries first: those of a model, or all."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
    if model_id is not None:
        query = query.where(AUDIT.c.model_id == model_id)
    return [AuditRow(**columns_of(row, AUDIT)) for row in connection.execute(query)]
