"""Calibrating anew: images judged good are scored again, within another region of interest if one is drawn."""

from __future__ import annotations

import io
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from PIL import Image

from twinspect.data.samples import Sample
from twinspect.errors import CalibrationError, DataError, TwinspectError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import BODY_ERRORS, Admin, Context, ContextDep, Viewer, error_responses
from twinspect.serve.http.presenters import present_calibration
from twinspect.serve.http.request_bodies import CalibrateAsked
from twinspect.serve.http.schemas import GoodImagesAnswer
from twinspect.serve.routes.thresholds import check_may_change
from twinspect.serve.scoring.model_worker import ModelWorker
from twinspect.serve.scoring.rescoring import Polygons, check_enough, export_note, good_samples, scope_within

ROUTER = APIRouter(prefix="/v1/models/{model}", tags=["thresholds"])
_PNG: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        "description": "the image",
    }
}


@ROUTER.post(
    "/calibrate", responses=error_responses("unknown_model", "cannot_promise", "conflict", *BODY_ERRORS)
)
def calibrate(context: ContextDep, actor: Admin, model: str, body: CalibrateAsked) -> GoodImagesAnswer:
    """Score the images judged good anew, within a region of interest if one is given, and keep that in the model.

    Threshold and level of regions come from these images, at most the newest 1000. Nothing is trained. With `dry_run`
    nothing is scored or changed. Scores within another region are not comparable with earlier ones.
    """
    worker = context.registry.get(model)
    polygons = body.region.model_dump(exclude_none=True) if body.region else None
    if not body.dry_run:
        check_may_change(actor, body.reason)
    looks_at = _looks_at(worker, polygons)
    rate = body.false_alarm_rate or worker.active.calibration.false_alarm_rate
    samples, warnings = _good(context, worker, rate, polygons)
    if not body.dry_run:
        warnings += _calibrate(worker, samples, polygons, rate, actor.name, body.reason)
    return GoodImagesAnswer(
        images=len(samples),
        false_alarm_rate=rate,
        looks_at=looks_at,
        warnings=warnings,
        calibration=None if body.dry_run else present_calibration(worker.active, active=True),
    )


@ROUTER.get(
    "/reference",
    response_class=Response,
    responses={**_PNG, **error_responses("unknown_model", "not_found")},
)
def reference(context: ContextDep, _: Viewer, model: str) -> Response:
    """Return the image that others are aligned to, grey and reduced: a region of interest is drawn on it."""
    alignment = context.registry.get(model).alignment
    if alignment is None:
        raise ApiError("not_found", f"{model!r} looks at images as they are, so it has no reference image")
    buffer = io.BytesIO()
    Image.fromarray(alignment.reference).save(buffer, "PNG")
    return Response(buffer.getvalue(), media_type="image/png")


def _looks_at(worker: ModelWorker, polygons: Polygons | None) -> str | None:
    try:
        scope = scope_within(worker.version.detector.scope_, polygons)
    except DataError as error:
        raise ApiError("invalid_request", str(error)) from None
    return scope.describe() if scope else None


def _good(
    context: Context, worker: ModelWorker, rate: float, polygons: Polygons | None
) -> tuple[list[Sample], list[str]]:
    """List the good images, with what is to be said before they are scored."""
    try:
        good = context.store.good_images(worker.id)
        samples = good_samples(context.store, good.images, worker.version.detector)
        check_enough(len(samples), len(good.images), rate, worker.name, polygons)
    except CalibrationError as error:
        raise ApiError("cannot_promise", str(error)) from None
    note = export_note(worker.version.runtime, worker.name, polygons)
    return samples, [*good.warnings, *([note] if note else [])]


def _calibrate(
    worker: ModelWorker, samples: list[Sample], polygons: Polygons | None, rate: float, who: str, reason: str
) -> list[str]:
    try:
        return worker.calibrate(samples, polygons, rate, who, reason)
    except CalibrationError as error:
        raise ApiError("cannot_promise", str(error)) from None
    except TwinspectError as error:
        raise ApiError("conflict", str(error)) from None
