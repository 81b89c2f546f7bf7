"""Where results of a model go: webhooks, MQTT and folders, and what waits for them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from twinspect.errors import MissingExtraError, NotStoredError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.allowed_folders import check_allowed, check_apart
from twinspect.serve.http.context import BODY_ERRORS, Admin, Context, ContextDep, Viewer, error_responses
from twinspect.serve.http.line_presenters import present_delivery, present_sink
from twinspect.serve.http.line_schemas import (
    ChangedAnswer,
    DeliveriesAnswer,
    DeliveriesAsked,
    DeliveryState,
    SinkAnswer,
    SinkAsked,
    SinkChanged,
    SinksAnswer,
    SinkTestAnswer,
)
from twinspect.serve.http.request_bodies import MAX_ID
from twinspect.serve.routes.inspections import Number
from twinspect.serve.sinks.targets import AnyTarget, FolderTarget, read_target
from twinspect.serve.store.line_records import SinkRow

ROUTER = APIRouter(prefix="/v1", tags=["sinks"])
_TARGET_ERRORS = ("folder_not_allowed", "not_installed", "conflict")


@ROUTER.get("/models/{model}/sinks", responses=error_responses("unknown_model"))
def sinks(context: ContextDep, actor: Viewer, model: str) -> SinksAnswer:
    """List where results of a model go."""
    context.check_model(model)
    return SinksAnswer(
        sinks=[present_sink(context, row, actor) for row in context.delivering.sinks.all(model)]
    )


@ROUTER.post(
    "/models/{model}/sinks",
    status_code=201,
    responses=error_responses("unknown_model", *_TARGET_ERRORS, *BODY_ERRORS),
)
def add_sink(context: ContextDep, actor: Admin, model: str, body: SinkAsked) -> SinkAnswer:
    """Send results of a model somewhere from now on, each at least once."""
    context.check_model(model)
    target = _checked(context, model, body.target)
    row = context.delivering.sinks.add(
        actor.name,
        model=model,
        kind=target.kind,
        settings=target.settings(),
        secrets=target.secrets(),
        results=body.results,
        per_second=body.per_second,
        enabled=body.enabled,
    )
    context.delivering.refresh()
    return present_sink(context, row, actor)


@ROUTER.patch("/sinks/{number}", responses=error_responses("unknown_sink", *_TARGET_ERRORS, *BODY_ERRORS))
def change_sink(context: ContextDep, actor: Admin, number: Number, body: SinkChanged) -> SinkAnswer:
    """Change a sink; what is left out stays. What waits is tried at once."""
    row = _sink(context, number)
    changes = body.model_dump(include=body.model_fields_set - {"target"})
    if body.target is not None:
        changes |= _changed_target(context, row, body.target)
    row = context.delivering.sinks.change(actor.name, number, **changes) if changes else row
    context.delivering.refresh()
    context.delivering.outbox.hurry(number)
    return present_sink(context, row, actor)


@ROUTER.delete("/sinks/{number}", status_code=204, responses=error_responses("unknown_sink"))
def remove_sink(context: ContextDep, actor: Admin, number: Number) -> None:
    """Remove a sink, and give up what waits for it."""
    _sink(context, number)
    context.delivering.sinks.remove(actor.name, number)
    context.delivering.refresh()
    context.delivering.outbox.give_up(number)


@ROUTER.post("/sinks/{number}/test", responses=error_responses("unknown_sink", "not_installed"))
def try_sink(context: ContextDep, _: Admin, number: Number) -> SinkTestAnswer:
    """Send a record that says it is a test, once, and say what came of it."""
    row = _sink(context, number)
    try:
        error, took = context.delivering.test(row.model, read_target(row.kind, row.settings | row.secrets))
    except MissingExtraError as missing:
        raise ApiError("not_installed", str(missing)) from None
    return SinkTestAnswer(sent=error is None, error=error, milliseconds=took)


@ROUTER.get("/sinks/{number}/deliveries", responses=error_responses("unknown_sink"))
def deliveries(
    context: ContextDep,
    actor: Viewer,
    number: Number,
    state: Annotated[DeliveryState | None, Query()] = None,
    after: Annotated[int | None, Query(ge=1, le=MAX_ID, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DeliveriesAnswer:
    """List what was and is to be delivered to a sink, newest first."""
    _sink(context, number)
    rows = context.delivering.outbox.read(number, state, after, limit)
    return DeliveriesAnswer(
        deliveries=[present_delivery(row, actor) for row in rows],
        next=rows[-1].id if len(rows) == limit else None,
    )


@ROUTER.post("/sinks/{number}/send_again", responses=error_responses("unknown_sink", *BODY_ERRORS))
def send_again(context: ContextDep, _: Admin, number: Number, body: DeliveriesAsked) -> ChangedAnswer:
    """Deliver what was given up after all."""
    row = _sink(context, number)
    changed = context.delivering.outbox.send_again(number, body.deliveries)
    context.delivering.wake(row.model)
    return ChangedAnswer(changed=changed)


@ROUTER.post("/sinks/{number}/give_up", responses=error_responses("unknown_sink", *BODY_ERRORS))
def give_up(context: ContextDep, _: Admin, number: Number, body: DeliveriesAsked) -> ChangedAnswer:
    """Deliver no more what waits; it can be sent again later."""
    _sink(context, number)
    return ChangedAnswer(changed=context.delivering.outbox.give_up(number, body.deliveries))


def _sink(context: Context, number: int) -> SinkRow:
    try:
        return context.delivering.sinks.read(number)
    except NotStoredError as error:
        raise ApiError("unknown_sink", str(error)) from None


def _checked(context: Context, model: str, target: AnyTarget) -> AnyTarget:
    """Return a target that can be used here: its package is installed, its folder allowed."""
    if isinstance(target, FolderTarget):
        path = check_allowed(target.path, context.allowed_folders)
        check_apart(path, context.watched_folders(), "from which images are taken")
        target = target.model_copy(update={"path": str(path)})
    try:
        context.delivering.make(model, target)
    except MissingExtraError as error:
        raise ApiError("not_installed", str(error)) from None
    return target


def _changed_target(context: Context, row: SinkRow, target: AnyTarget) -> dict[str, object]:
    if target.kind != row.kind:
        raise ApiError(
            "invalid_request",
            f"the sink is of kind {row.kind!r}, which stays; got {target.kind!r}: add another sink",
        )
    target = _checked(context, row.model, target)
    return {"settings": target.settings(), "secrets": row.secrets | target.secrets()}
