"""Taking images: checked, kept, queued, and only then answered."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from anyio import fail_after, to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from twinspect.errors import unknown_name
from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.serve.api_errors import STATUS, ApiError
from twinspect.serve.http.context import Context, ContextDep, Inspector, error_responses
from twinspect.serve.http.presenters import present_inspection, present_refused
from twinspect.serve.http.schemas import ScoreAnswer, ScoreErrorAnswer
from twinspect.serve.scoring.model_worker import ModelWorker, ScoreRequest
from twinspect.serve.scoring.work_queue import stopping_error
from twinspect.serve.uploads.checks import CheckedImage, Upload, check
from twinspect.serve.uploads.multipart import FIELD, read_uploads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from twinspect.serve.store import Finished, InspectionRow

ROUTER = APIRouter(prefix="/v1", tags=["score"])

_MEMORY_POLL = 0.02
"""Seconds between looks at a queue whose pixels take all the memory they may."""

_BODY_TIMEOUT = 300.0
"""Seconds that a body may take to arrive."""

Accepted = tuple["InspectionRow", "Future[Finished]"]
"""An accepted image, and its result to come."""

_IMAGE = {"type": "string", "format": "binary"}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "array", "items": _IMAGE, "minItems": 1, "maxItems": 64}},
            }
        },
        **{f"image/{kind}": {"schema": _IMAGE} for kind in ("png", "jpeg", "tiff", "bmp", "webp")},
    },
}
_ONE_IMAGE = tuple(code for code in STATUS if code.startswith("image_") and code != "image_removed")
_RESPONSES = error_responses(
    *_ONE_IMAGE,
    "images_refused",
    "unknown_model",
    "unknown_category",
    "bad_multipart",
    "no_images",
    "too_many_images",
    "body_too_large",
    "unsupported_media_type",
    "too_slow",
    "queue_full",
    "stopping",
)
for _status in (413, 415, 422):
    _RESPONSES[_status]["model"] = ScoreErrorAnswer


@ROUTER.post(
    "/score",
    response_model=ScoreAnswer,
    responses={202: {"model": ScoreAnswer, "description": "accepted; not scored yet"}, **_RESPONSES},
    openapi_extra={"requestBody": _BODY},
)
async def score(
    request: Request,
    context: ContextDep,
    _: Inspector,
    model: Annotated[str | None, Query(max_length=200, description="needed where several are served")] = None,
    category: Annotated[
        str, Query(max_length=200, description="what the images show, if calibrated on it")
    ] = "",
    wait: Annotated[bool, Query(description="whether to answer only once they are scored")] = True,
    name: Annotated[str, Query(max_length=1000, description="of an image that is the whole body")] = "",  # noqa: ARG001 - read with the body
) -> JSONResponse:
    """Score images.

    Upload up to 64 files in form fields `images`, or one image as the body with its own content type. What is
    accepted is kept before it is answered. A bad image is an entry with its error beside the others.
    """
    worker = _choose_worker(context, model, category)
    async with context.receiving:
        uploads = await _read_request(request, context)
        taken = await _accept_uploads(context, worker, uploads, category, _source(request))
    if all(isinstance(each, ApiError) for each in taken):
        return _all_refused_response(uploads, [each for each in taken if isinstance(each, ApiError)])
    if wait:
        pending = [asyncio.wrap_future(each[1]) for each in taken if not isinstance(each, ApiError)]
        # Where a result could not be kept, the row still says that it waits.
        await asyncio.gather(*pending, return_exceptions=True)
    answer = await to_thread.run_sync(_present, context, uploads, taken, wait)
    return JSONResponse(answer.model_dump(mode="json"), 200 if wait else 202)


async def _read_request(request: Request, context: Context) -> list[Upload]:
    """Read the body, from a client that does not take for ever."""
    try:
        with fail_after(_BODY_TIMEOUT):
            return await read_uploads(request, context.limits)
    except TimeoutError:
        raise ApiError(
            "too_slow", f"the body did not arrive within {_BODY_TIMEOUT:g} s; send less at once"
        ) from None


def _choose_worker(context: Context, model: str | None, category: str) -> ModelWorker:
    """Find the model, before anything of the body is read."""
    if context.stopping:
        raise stopping_error()
    worker = context.registry.choose(model)
    if category and category not in worker.categories:
        raise ApiError("unknown_category", str(unknown_name("category", category, worker.categories)))
    worker.queue.reserve(1)
    worker.queue.release(1)
    return worker


def _source(request: Request) -> str:
    """Tell the page from programs: browsers say where a POST comes from."""
    return "web" if "origin" in request.headers else "api"


async def _accept_uploads(
    context: Context, worker: ModelWorker, uploads: Sequence[Upload], category: str, source: str
) -> list[Accepted | ApiError]:
    """Take all uploads that are images, or, where there is no room for so many, none."""
    worker.queue.reserve(len(uploads))
    left = len(uploads)
    taken: list[Accepted | ApiError] = []
    try:
        for start in range(0, len(uploads), SCORE_BATCH):
            while worker.queue.is_memory_full:
                await asyncio.sleep(_MEMORY_POLL)
            part = uploads[start : start + SCORE_BATCH]
            checked = await asyncio.gather(*(_check_upload(context, worker, upload) for upload in part))
            found = await to_thread.run_sync(_store_images, context, worker, checked, category, source)
            # What was accepted is queued in any case, and together, to be scored together.
            jobs = [each for each in found if isinstance(each, ScoreRequest)]
            futures = iter(worker.queue.put(*jobs))
            left -= len(jobs)
            taken += [_with_future(each, futures) for each in found]
    finally:
        worker.queue.release(left)
    return taken


def _with_future(found: ScoreRequest | Exception, futures: Iterator[Future[Finished]]) -> Accepted | ApiError:
    if isinstance(found, ScoreRequest):
        return found.row, next(futures)
    if isinstance(found, ApiError):
        return found
    raise found


async def _check_upload(context: Context, worker: ModelWorker, upload: Upload) -> CheckedImage | ApiError:
    """Check and decode one image, beside others."""
    try:
        return await to_thread.run_sync(
            partial(check, upload, context.limits, bits=worker.version.detector.bits),
            limiter=context.decoding,
        )
    except ApiError as refusal:
        context.metrics.refused.labels(refusal.code).inc()
        return refusal


def _store_images(
    context: Context,
    worker: ModelWorker,
    checked: Sequence[CheckedImage | ApiError],
    category: str,
    source: Any,
) -> list[ScoreRequest | Exception]:
    """Keep images in their order; after the first that cannot be kept, none is tried."""
    found: list[ScoreRequest | Exception] = []
    for image in checked:
        try:
            found.append(
                image
                if isinstance(image, ApiError)
                else _store_image(context, worker, image, category, source)
            )
        except Exception as error:  # noqa: BLE001, PERF203 - what was accepted before must still be queued
            return [*found, error]
    return found


def _store_image(
    context: Context, worker: ModelWorker, image: CheckedImage, category: str, source: Any
) -> ScoreRequest:
    """Keep one image; when this returns, disk and database have it."""
    height, width = image.pixels.shape[:2]
    stored = context.store.archive.put(image.data, image.suffix, width, height)
    row = context.store.accept(worker.id, stored, name=image.name, category=category, source=source)
    if row is None:
        raise AssertionError("only watched files can be known already")
    context.metrics.accepted.labels(worker.name, source).inc()
    return ScoreRequest(row, image.pixels)


def _present(
    context: Context, uploads: Sequence[Upload], taken: Sequence[Accepted | ApiError], wait: bool
) -> ScoreAnswer:
    answers: list[Any] = []
    for upload, each in zip(uploads, taken, strict=True):
        if isinstance(each, ApiError):
            answers.append(present_refused(upload.name, each))
        else:
            answers.append(
                present_inspection(context, context.store.inspection(each[0].id) if wait else each[0])
            )
    return ScoreAnswer(inspections=answers)


def _all_refused_response(uploads: Sequence[Upload], refused: Sequence[ApiError]) -> JSONResponse:
    first, codes = refused[0], {each.code for each in refused}
    if len(codes) > 1:
        first = ApiError("images_refused", f"none of {len(refused)} images could be taken; each says why")
    inspections = [
        present_refused(upload.name, each).model_dump() for upload, each in zip(uploads, refused, strict=True)
    ]
    return JSONResponse({**first.body, "inspections": inspections}, first.status)
