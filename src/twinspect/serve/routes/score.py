"""Uploading images: they are checked, stored and queued before the server responds."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from anyio import fail_after, to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from twinspect.errors import unknown_name
from twinspect.images.formats import MEDIA_TYPES
from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.serve.api_errors import STATUS, ApiError
from twinspect.serve.http.context import Context, ContextDep, Inspector, error_responses
from twinspect.serve.http.presenters import present_inspection, present_part, present_refused
from twinspect.serve.http.schemas import ScoreAnswer, ScoreErrorAnswer
from twinspect.serve.scoring.model_worker import ModelWorker, ScoreRequest
from twinspect.serve.scoring.work_queue import stopping_error
from twinspect.serve.uploads.checks import CheckedImage, Upload, check
from twinspect.serve.uploads.incoming import IncomingBody
from twinspect.serve.uploads.multipart import FIELD, read_uploads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from twinspect.serve.store import Finished, InspectionRow

ROUTER = APIRouter(prefix="/v1", tags=["score"])

_MEMORY_POLL = 0.02
"""Seconds between checks of a queue whose pixels exceed the memory limit."""

_BODY_TIMEOUT = 300.0
"""Seconds within which a body must arrive."""

Accepted = tuple["InspectionRow", "Future[Finished]"]
"""The row of an accepted image, and the future of its result."""

_IMAGE = {"type": "string", "format": "binary"}
UPLOAD_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "array", "items": _IMAGE, "minItems": 1, "maxItems": 64}},
            }
        },
        **{media_type: {"schema": _IMAGE} for media_type in MEDIA_TYPES.values()},
    },
}
ONE_IMAGE = tuple(code for code in STATUS if code.startswith("image_") and code != "image_removed")
_RESPONSES = error_responses(
    *ONE_IMAGE,
    "images_refused",
    "unknown_model",
    "unknown_category",
    "invalid_request",
    "bad_multipart",
    "no_images",
    "too_many_images",
    "body_too_large",
    "unsupported_media_type",
    "too_slow",
    "queue_full",
    "stopping",
    "storage_full",
)
for _status in (413, 415, 422):
    _RESPONSES[_status]["model"] = ScoreErrorAnswer


@ROUTER.post(
    "/score",
    response_model=ScoreAnswer,
    responses={202: {"model": ScoreAnswer, "description": "accepted; not scored yet"}, **_RESPONSES},
    openapi_extra={"requestBody": UPLOAD_BODY},
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
    part: Annotated[
        str,
        Query(
            max_length=200, description="the one part that all images of the request show, to be decided too"
        ),
    ] = "",
) -> JSONResponse:
    """Score images.

    Upload up to 64 files in form fields `images`, or one image as the body with its own content type. Accepted images
    are stored before the server responds. A bad image is an entry with its error beside the others.
    """
    part = part.strip()  # as a manifest's
    if part and not wait:
        raise ApiError(
            "invalid_request", "a part is decided once its images are scored; leave out wait=false, or part"
        )
    worker = _choose_worker(context, model, category)
    with context.incoming.body() as body:
        uploads = await read_request(request, context, body)
        async with context.receiving:  # a place is taken by what has arrived
            results = await _accept_uploads(context, worker, uploads, category, _source(request))
    errors = [result for result in results if isinstance(result, ApiError)]
    if len(errors) == len(results):
        return _all_refused_response(uploads, errors)
    if wait:
        pending = [asyncio.wrap_future(result[1]) for result in results if not isinstance(result, ApiError)]
        # If a result could not be saved, the row is still queued.
        await asyncio.gather(*pending, return_exceptions=True)
    answer = await to_thread.run_sync(_present, context, uploads, results, wait)
    if part:
        answer.part = present_part(part, answer.inspections, worker.active.calibration)
    return JSONResponse(answer.model_dump(mode="json"), 200 if wait else 202)


async def read_request(request: Request, context: Context, body: IncomingBody) -> list[Upload]:
    """Read the body within a time limit."""
    try:
        with fail_after(_BODY_TIMEOUT):
            return await read_uploads(request, context.limits, body.counted(request.stream()))
    except TimeoutError:
        raise ApiError(
            "too_slow", f"the body did not arrive within {_BODY_TIMEOUT:g} s; send less at once"
        ) from None


def _choose_worker(context: Context, model: str | None, category: str) -> ModelWorker:
    """Return the worker of the requested model, before anything of the body is read."""
    if context.stopping:
        raise stopping_error()
    worker = context.registry.choose(model)
    if category and category not in worker.categories:
        raise ApiError("unknown_category", str(unknown_name("category", category, worker.categories)))
    worker.queue.reserve(1)
    worker.queue.release(1)
    return worker


def _source(request: Request) -> str:
    """Tell the page from programs: browsers send an Origin with every POST."""
    return "web" if "origin" in request.headers else "api"


async def _accept_uploads(
    context: Context, worker: ModelWorker, uploads: Sequence[Upload], category: str, source: str
) -> list[Accepted | ApiError]:
    """Accept all uploads that are images; if the queue has no room for all, accept none."""
    worker.queue.reserve(len(uploads))
    unused = len(uploads)
    results: list[Accepted | ApiError] = []
    try:
        for start in range(0, len(uploads), SCORE_BATCH):
            while worker.queue.is_memory_full:
                await asyncio.sleep(_MEMORY_POLL)
            part = uploads[start : start + SCORE_BATCH]
            checked = await asyncio.gather(*(_check_upload(context, worker, upload) for upload in part))
            stored = await to_thread.run_sync(_store_images, context, worker, checked, category, source)
            # What was accepted is queued in any case, and at once, to be scored as one batch.
            requests = [outcome for outcome in stored if isinstance(outcome, ScoreRequest)]
            futures = iter(worker.queue.put(*requests))
            unused -= len(requests)
            results += [_with_future(outcome, futures) for outcome in stored]
    finally:
        worker.queue.release(unused)
    return results


def _with_future(
    outcome: ScoreRequest | Exception, futures: Iterator[Future[Finished]]
) -> Accepted | ApiError:
    if isinstance(outcome, ScoreRequest):
        return outcome.row, next(futures)
    if isinstance(outcome, ApiError):
        return outcome
    raise outcome


async def _check_upload(context: Context, worker: ModelWorker, upload: Upload) -> CheckedImage | ApiError:
    """Check and decode one image, in a thread beside others."""
    try:
        return await to_thread.run_sync(
            partial(check, upload, context.limits, bits=worker.version.detector.bits),
            limiter=context.decoding,
        )
    except ApiError as error:
        context.metrics.refused.labels(error.code).inc()
        return error


def _store_images(
    context: Context,
    worker: ModelWorker,
    checked: Sequence[CheckedImage | ApiError],
    category: str,
    source: Any,
) -> list[ScoreRequest | Exception]:
    """Store images in their order, and stop at the first that cannot be stored."""
    outcomes: list[ScoreRequest | Exception] = []
    for image in checked:
        try:
            outcomes.append(
                image
                if isinstance(image, ApiError)
                else store_image(context, worker, image, category, source)
            )
        except Exception as error:  # noqa: BLE001, PERF203 - what was accepted before must still be queued
            return [*outcomes, error]
    return outcomes


def store_image(
    context: Context, worker: ModelWorker, image: CheckedImage, category: str, source: Any
) -> ScoreRequest:
    """Store one image; when this returns, disk and database have it."""
    height, width = image.pixels.shape[:2]
    stored = context.store.archive.put(image.data, image.suffix, width, height)
    row = context.store.accept(worker.id, stored, name=image.name, category=category, source=source)
    if row is None:
        raise AssertionError("only watched files have a source key and can be known already")
    context.metrics.accepted.labels(worker.name, source).inc()
    return ScoreRequest(row, image.pixels)


def score_now(context: Context, worker: ModelWorker, image: CheckedImage, category: str) -> InspectionRow:
    """Store one image of a source, and wait until it is scored.

    Raises:
        ApiError: ``queue_full``, ``stopping``, or ``scoring_failed`` where the result could not be saved.
    """
    worker.queue.reserve(1)
    request = None
    try:
        request = store_image(context, worker, image, category, "watch")
    finally:
        if request is None:
            worker.queue.release(1)
    (future,) = worker.queue.put(request)
    try:
        future.result()
    except Exception:  # noqa: BLE001 - logged by the queue; the row is still there, to be scored at the next start
        raise ApiError(
            "scoring_failed", f"inspection {request.row.id} is stored, and not scored yet"
        ) from None
    return context.store.inspection(request.row.id)


def _present(
    context: Context, uploads: Sequence[Upload], results: Sequence[Accepted | ApiError], wait: bool
) -> ScoreAnswer:
    answers: list[Any] = []
    for upload, result in zip(uploads, results, strict=True):
        if isinstance(result, ApiError):
            answers.append(present_refused(upload.name, result))
        else:
            row = context.store.inspection(result[0].id) if wait else result[0]
            answers.append(present_inspection(context, row))
    return ScoreAnswer(inspections=answers, part=None)


def _all_refused_response(uploads: Sequence[Upload], errors: Sequence[ApiError]) -> JSONResponse:
    summary = errors[0]
    if len({error.code for error in errors}) > 1:
        summary = ApiError(
            "images_refused", f"none of {len(errors)} images was accepted; each entry says why"
        )
    inspections = [
        present_refused(upload.name, error).model_dump()
        for upload, error in zip(uploads, errors, strict=True)
    ]
    return JSONResponse({**summary.body, "inspections": inspections}, summary.status)
