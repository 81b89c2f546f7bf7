"""What is to be delivered: rows in the transaction of the result, so neither is there without the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy import or_, select

from twinspect.serve.store.inspections import WAS_INSPECTABLE
from twinspect.serve.store.schema import DELIVERIES, INSPECTIONS, MODELS, SINKS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

_IS_NOT_GOOD: Final = or_(
    INSPECTIONS.c.state == "failed", INSPECTIONS.c.is_anomalous.is_(True), ~WAS_INSPECTABLE
)


def enqueue(connection: Connection, inspection_ids: Sequence[int], now: datetime) -> None:
    """Add a delivery for every sink of each of these finished inspections, in the transaction that finished them."""
    query = (
        select(SINKS.c.id.label("sink_id"), INSPECTIONS.c.id.label("inspection_id"))
        .join(MODELS, MODELS.c.name == SINKS.c.model)
        .join(INSPECTIONS, INSPECTIONS.c.model_id == MODELS.c.id)
        .where(
            INSPECTIONS.c.id.in_(inspection_ids),
            SINKS.c.enabled,
            SINKS.c.removed_at.is_(None),
            or_(SINKS.c.results == "all", _IS_NOT_GOOD),
        )
        .order_by(INSPECTIONS.c.id, SINKS.c.id)
    )
    common = {"state": "waiting", "attempts": 0, "waiting_since": now, "next_at": now}
    rows = [{**row, **common, "uuid": str(uuid4())} for row in connection.execute(query).mappings()]
    if rows:
        connection.execute(DELIVERIES.insert(), rows)
