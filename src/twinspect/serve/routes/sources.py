"""Where images of a model come from: folders and cameras, a live view of these, and a trigger."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from PIL import Image

from twinspect.errors import MissingExtraError, NotStoredError, unknown_name
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.allowed_folders import check_allowed, check_apart
from twinspect.serve.http.context import (
    BODY_ERRORS,
    Admin,
    Context,
    ContextDep,
    Inspector,
    Viewer,
    error_responses,
)
from twinspect.serve.http.line_presenters import present_source
from twinspect.serve.http.line_schemas import (
    SourceAnswer,
    SourceAsked,
    SourceChanged,
    SourcesAnswer,
    TriggerAsked,
)
from twinspect.serve.http.presenters import present_inspection
from twinspect.serve.http.schemas import InspectionAnswer
from twinspect.serve.routes.inspections import Number
from twinspect.serve.routes.score import score_now
from twinspect.serve.sources.frames import FRESH_SECONDS, Frame
from twinspect.serve.sources.origins import AnyOrigin, FolderOrigin
from twinspect.serve.sources.running_sources import RunningSource
from twinspect.serve.sources.watcher import POLL_INTERVAL
from twinspect.serve.store.line_records import SourceRow

ROUTER = APIRouter(prefix="/v1", tags=["sources"])
_ORIGIN_ERRORS = ("folder_not_allowed", "not_installed", "unknown_category", "conflict")
_JPEG_QUALITY = 80


@ROUTER.get("/models/{model}/sources", responses=error_responses("unknown_model"))
def sources(context: ContextDep, actor: Viewer, model: str) -> SourcesAnswer:
    """List where images of a model come from."""
    context.check_model(model)
    return SourcesAnswer(
        sources=[present_source(context, row, actor) for row in context.sources.rows.all(model)]
    )


@ROUTER.post(
    "/models/{model}/sources",
    status_code=201,
    responses=error_responses("unknown_model", *_ORIGIN_ERRORS, *BODY_ERRORS),
)
def add_source(context: ContextDep, actor: Admin, model: str, body: SourceAsked) -> SourceAnswer:
    """Take images of a model from a folder or a camera from now on."""
    context.check_model(model)
    _check_category(context, model, body.category)
    origin = _checked(context, body.origin)
    row = context.sources.rows.add(
        actor.name,
        model=model,
        name=body.name,
        kind=origin.kind,
        settings=origin.settings(),
        secrets=origin.secrets(),
        category=body.category,
        interval=_interval(origin.kind, body.interval),
        paused=body.paused,
    )
    context.sources.refresh()
    return present_source(context, row, actor)


@ROUTER.patch("/sources/{number}", responses=error_responses("unknown_source", *_ORIGIN_ERRORS, *BODY_ERRORS))
def change_source(context: ContextDep, actor: Admin, number: Number, body: SourceChanged) -> SourceAnswer:
    """Change a source, or pause it; what is left out stays."""
    row = _source(context, number)
    changes = body.model_dump(include=body.model_fields_set - {"origin"})
    _check_category(context, row.model, changes.get("category", ""))
    if "interval" in changes:
        changes["interval"] = _interval(row.kind, body.interval)
    if body.origin is not None:
        changes |= _changed_origin(context, row, body.origin)
    row = context.sources.rows.change(actor.name, number, **changes) if changes else row
    context.sources.refresh()
    return present_source(context, row, actor)


@ROUTER.delete("/sources/{number}", status_code=204, responses=error_responses("unknown_source"))
def remove_source(context: ContextDep, actor: Admin, number: Number) -> None:
    """Take no more images from a source; what it brought stays."""
    _source(context, number)
    context.sources.rows.remove(actor.name, number)
    context.sources.refresh()


@ROUTER.get(
    "/sources/{number}/frame",
    response_class=Response,
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/jpeg", "image/png")
            },
            "description": "the frame",
        },
        **error_responses("unknown_source", "no_camera", "camera_failed"),
    },
)
def frame(
    context: ContextDep,
    _: Viewer,
    number: Number,
    image_format: Annotated[
        Literal["jpeg", "png"], Query(alias="format", description="png: as the camera took it")
    ] = "jpeg",
    side: Annotated[int, Query(ge=16, le=4096, description="jpeg: pixels of the longer side, at most")] = 960,
) -> Response:
    """Return the newest frame of a camera, also before its product has a model; nothing is scored or stored."""
    running = _camera(context, _source(context, number))
    newest = running.reader.newest if running.reader else None
    picture = Image.fromarray((newest or _next_frame(running)).pixels)
    buffer = io.BytesIO()
    if image_format == "png":
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.thumbnail((side, side))
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return Response(buffer.getvalue(), media_type=f"image/{image_format}")


@ROUTER.post(
    "/models/{model}/trigger",
    responses=error_responses(
        *("unknown_model", "unknown_source", "no_camera", "camera_failed", "queue_full", "stopping"),
        *("scoring_failed", *BODY_ERRORS),
    ),
)
def trigger(context: ContextDep, _: Inspector, model: str, body: TriggerAsked) -> InspectionAnswer:
    """Take an image by the camera of a model, now, score it, and answer with the decision."""
    worker = context.registry.get(model)
    row = _only_camera(context, model) if body.source is None else _source(context, body.source)
    if row.model != model:
        raise ApiError("unknown_source", f"source {row.id} is of {row.model!r}, not of {model!r}")
    running = _camera(context, row)
    image = running.image(_next_frame(running))
    inspection = score_now(context, worker, image, row.category)
    running.note_image()
    return present_inspection(context, inspection)


def _source(context: Context, number: int) -> SourceRow:
    try:
        return context.sources.rows.read(number)
    except NotStoredError as error:
        raise ApiError("unknown_source", str(error)) from None


def _only_camera(context: Context, model: str) -> SourceRow:
    cameras = [row for row in context.sources.rows.all(model) if row.kind != "folder"]
    if len(cameras) != 1:
        names = ", ".join(f"{row.id} ({row.name})" for row in cameras)
        raise ApiError(
            "no_camera",
            f"{model!r} has several cameras; say which by its id: {names}"
            if cameras
            else f"{model!r} has no camera; add one by POST /v1/models/{model}/sources",
        )
    return cameras[0]


def _camera(context: Context, row: SourceRow) -> RunningSource:
    running = context.sources.get(row.id)
    if row.kind == "folder" or running is None:
        reason = "is a folder" if row.kind == "folder" else "is paused"
        raise ApiError("no_camera", f"source {row.id} ({row.name}) {reason}, so it has no frame")
    return running


def _next_frame(running: RunningSource) -> Frame:
    taken = running.reader.next() if running.reader else None
    if taken is None:
        raise ApiError(
            "camera_failed",
            f"the camera {running.row.name!r} gave no image within {FRESH_SECONDS:g} s; its source says why",
            retry_after=1,
        )
    return taken


def _interval(kind: str, seconds: float | None) -> float | None:
    return POLL_INTERVAL if kind == "folder" and seconds is None else seconds


def _check_category(context: Context, model: str, category: str) -> None:
    worker = context.sources.worker(model)
    if category and worker is not None and category not in worker.categories:
        raise ApiError("unknown_category", str(unknown_name("category", category, worker.categories)))


def _checked(context: Context, origin: AnyOrigin) -> AnyOrigin:
    """Return an origin that can be used here: its folder is allowed, its package installed."""
    if isinstance(origin, FolderOrigin):
        path = check_allowed(origin.path, context.allowed_folders)
        results = [
            Path(row.settings["path"]) for row in context.delivering.sinks.all() if row.kind == "folder"
        ]
        check_apart(path, results, "where results are written")
        if not path.is_dir():
            raise ApiError("invalid_request", f"there is no folder {origin.path[:200]!r}; make it first")
        return origin.model_copy(update={"path": str(path)})
    try:
        context.sources.check_installed()
    except MissingExtraError as error:
        raise ApiError("not_installed", str(error)) from None
    return origin


def _changed_origin(context: Context, row: SourceRow, origin: AnyOrigin) -> dict[str, object]:
    if origin.kind != row.kind:
        raise ApiError(
            "invalid_request",
            f"the source is of kind {row.kind!r}, which stays; got {origin.kind!r}: add another source",
        )
    origin = _checked(context, origin)
    return {"settings": origin.settings(), "secrets": row.secrets | origin.secrets()}
