"""From rows of sinks and sources to response bodies, with what the actor may see of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from twinspect.serve.http.line_schemas import (
    DeliveryAnswer,
    SinkAnswer,
    SinkStateAnswer,
    SourceAnswer,
    SourceStateAnswer,
)
from twinspect.serve.sinks.targets import read_target

if TYPE_CHECKING:
    from twinspect.serve.http.context import Context
    from twinspect.serve.http.tokens import Actor
    from twinspect.serve.store.line_records import DeliveryRow, OutboxState, SinkRow, SourceRow

_UNTOLD = "it failed; the role admin is told why"
"""Errors name paths and addresses."""


def present_sink(context: Context, row: SinkRow, actor: Actor) -> SinkAnswer:
    """Describe a sink and what it does now."""
    return SinkAnswer(
        id=row.id,
        model=row.model,
        kind=row.kind,
        address=read_target(row.kind, row.settings | row.secrets).address,
        settings=row.settings if actor.sees_paths else None,
        secrets=sorted(row.secrets),
        results=row.results,
        per_second=row.per_second,
        enabled=row.enabled,
        created_at=row.created_at,
        created_by=row.created_by,
        state=_sink_state(context, row, actor),
    )


def present_delivery(row: DeliveryRow, actor: Actor) -> DeliveryAnswer:
    """Describe a delivery."""
    return DeliveryAnswer(
        id=row.id,
        uuid=row.uuid,
        inspection_id=row.inspection_id,
        state=row.state,
        attempts=row.attempts,
        waiting_since=row.waiting_since,
        next_at=row.next_at,
        sent_at=row.sent_at,
        error=_told(row.error, actor),
    )


def present_source(context: Context, row: SourceRow, actor: Actor) -> SourceAnswer:
    """Describe a source and what it does now."""
    return SourceAnswer(
        id=row.id,
        model=row.model,
        name=row.name,
        kind=row.kind,
        settings=row.settings if actor.sees_paths else None,
        secrets=sorted(row.secrets),
        category=row.category,
        interval=row.interval,
        paused=row.paused,
        created_at=row.created_at,
        created_by=row.created_by,
        state=_source_state(context, row, actor),
    )


def _told(error: str | None, actor: Actor) -> str | None:
    """Say what went wrong, to whom it may be told."""
    return error if actor.sees_paths else error and _UNTOLD


def _sink_state(context: Context, row: SinkRow, actor: Actor) -> SinkStateAnswer:
    outbox, error = context.delivering.outbox.state(row.id), context.delivering.error(row.id)
    return SinkStateAnswer(
        state=_state(row, outbox, error),
        waiting=outbox.waiting,
        given_up=outbox.given_up,
        oldest=outbox.oldest,
        last_sent_at=outbox.last_sent_at,
        error=_told(error, actor),
        next_attempt_at=outbox.next_at if row.enabled else None,
    )


def _state(
    row: SinkRow, outbox: OutboxState, error: str | None
) -> Literal["idle", "sending", "failing", "disabled"]:
    if not row.enabled:
        return "disabled"
    if error:
        return "failing"
    return "sending" if outbox.waiting else "idle"


def _source_state(context: Context, row: SourceRow, actor: Actor) -> SourceStateAnswer:
    running = context.sources.get(row.id)
    frame = running.reader.newest if running and running.reader else None
    return SourceStateAnswer(
        state=running.state if running else "paused",
        last_frame_at=frame.taken_at if frame else None,
        last_image_at=running.last_image_at if running else None,
        error=_told(running.error, actor) if running else None,
        width=frame.pixels.shape[1] if frame else None,
        height=frame.pixels.shape[0] if frame else None,
    )
