"""The outbox: what is still to be delivered, and what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update

from twinspect.serve.store.line_records import DeliveryRow, OutboxState
from twinspect.serve.store.schema import DELIVERIES
from twinspect.serve.store.sql import columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from twinspect.serve.store.line_records import DeliveryState
    from twinspect.serve.store.store import Store

CLAIM_SECONDS: Final = 60.0
"""Seconds for which an attempt that was begun keeps others from beginning one; more than any attempt may take."""


class Outbox:
    """Deliveries, by sink. Several processes may work on one outbox: an attempt is begun by one of them only.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def due(self, sink_id: int, limit: int) -> list[DeliveryRow]:
        """Return what may be sent now, the oldest results first."""
        return self._select(_of(sink_id, "waiting"), DELIVERIES.c.next_at <= self._store.now(), limit=limit)

    def begin(self, delivery: DeliveryRow) -> DeliveryRow | None:
        """Count an attempt before it is made; ``None`` if another process has begun it, or it waits no more."""
        values = {
            "attempts": delivery.attempts + 1,
            "next_at": self._store.now() + timedelta(seconds=CLAIM_SECONDS),
        }
        same = (DELIVERIES.c.attempts == delivery.attempts, DELIVERIES.c.state == "waiting")
        with self._store.writing() as connection:
            claim = update(DELIVERIES).where(DELIVERIES.c.id == delivery.id, *same).values(**values)
            row = connection.execute(claim.returning(*DELIVERIES.c)).first()
            return None if row is None else DeliveryRow(**columns_of(row, DELIVERIES))

    def mark_sent(self, delivery: DeliveryRow) -> None:
        """Record that the receiver has it."""
        self._change(delivery, state="sent", sent_at=self._store.now(), error=None)

    def postpone(self, delivery: DeliveryRow, seconds: float, error: str) -> None:
        """Record that an attempt failed, and try again after so many seconds."""
        self._change(delivery, next_at=self._store.now() + timedelta(seconds=seconds), error=error)

    def expire(self, delivery: DeliveryRow, error: str) -> None:
        """Give a delivery up after its last attempt."""
        self._change(delivery, state="given_up", error=error)

    def give_up(self, sink_id: int, ids: Sequence[int] | None = None) -> int:
        """Give up what waits, or these of it; returns how many."""
        return self._change_all(sink_id, "waiting", ids, state="given_up")

    def send_again(self, sink_id: int, ids: Sequence[int] | None = None) -> int:
        """Let what was given up wait again, or these of it; returns how many."""
        now = self._store.now()
        return self._change_all(sink_id, "given_up", ids, state="waiting", waiting_since=now, next_at=now)

    def hurry(self, sink_id: int) -> int:
        """Let what waits be tried at once; returns how many."""
        return self._change_all(sink_id, "waiting", None, next_at=self._store.now())

    def read(
        self, sink_id: int, state: DeliveryState | None = None, after: int | None = None, limit: int = 50
    ) -> list[DeliveryRow]:
        """Return deliveries, newest first: those before ``after``, the last one of the page before."""
        where = [DELIVERIES.c.sink_id == sink_id, *([DELIVERIES.c.state == state] if state else [])]
        where += [DELIVERIES.c.id < after] if after is not None else []
        return self._select(*where, limit=limit, newest_first=True)

    def state(self, sink_id: int) -> OutboxState:
        """Count what is there for a sink."""
        first = (func.min(DELIVERIES.c.waiting_since), func.min(DELIVERIES.c.next_at))
        oldest = select(func.count(), *first).where(_of(sink_id, "waiting"))
        given_up = select(func.count()).select_from(DELIVERIES).where(_of(sink_id, "given_up"))
        sent = select(DELIVERIES.c.sent_at).where(_of(sink_id, "sent")).order_by(DELIVERIES.c.id.desc())
        with self._store.reading() as connection:
            waiting, since, next_at = connection.execute(oldest).one()
            return OutboxState(
                waiting,
                connection.execute(given_up).scalar_one(),
                since,
                next_at,
                connection.execute(sent.limit(1)).scalar(),
            )

    def _select(
        self, *where: ColumnElement[bool], limit: int, newest_first: bool = False
    ) -> list[DeliveryRow]:
        order = DELIVERIES.c.id.desc() if newest_first else DELIVERIES.c.id
        query = select(DELIVERIES).where(*where).order_by(order).limit(limit)
        with self._store.reading() as connection:
            return [DeliveryRow(**columns_of(row, DELIVERIES)) for row in connection.execute(query)]

    def _change(self, delivery: DeliveryRow, **values: Any) -> None:
        """Change a delivery that still waits: what a person gave up meanwhile stays given up, unless it arrived."""
        where = [DELIVERIES.c.id == delivery.id]
        where += [] if values.get("state") == "sent" else [DELIVERIES.c.state == "waiting"]
        with self._store.writing() as connection:
            connection.execute(update(DELIVERIES).where(*where).values(**values))

    def _change_all(
        self, sink_id: int, current: DeliveryState, ids: Sequence[int] | None, **values: Any
    ) -> int:
        where = [_of(sink_id, current), *([DELIVERIES.c.id.in_(ids)] if ids is not None else [])]
        with self._store.writing() as connection:
            return connection.execute(update(DELIVERIES).where(*where).values(**values)).rowcount


def _of(sink_id: int, state: DeliveryState) -> ColumnElement[bool]:
    return (DELIVERIES.c.sink_id == sink_id) & (DELIVERIES.c.state == state)
