"""Calibrating anew: images judged good are scored again, within another region of interest if one is drawn."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from twinspect.data.samples import Sample
from twinspect.errors import CalibrationError, TwinspectError
from twinspect.images.png import encode_png
from twinspect.regions.areas import Region
from twinspect.regions.scope import changed_scope
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import BODY_ERRORS, Admin, Context, ContextDep, Viewer, error_responses
from twinspect.serve.http.presenters import present_calibration
from twinspect.serve.http.regions import parse_region
from twinspect.serve.http.request_bodies import CalibrateAsked
from twinspect.serve.http.schemas import GoodImagesAnswer
from twinspect.serve.routes.thresholds import check_may_change
from twinspect.serve.scoring.model_worker import ModelWorker
from twinspect.serve.scoring.rescoring import check_enough, export_note, good_samples

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
    if not body.dry_run:
        check_may_change(actor, body.reason)
    region = _region(body)
    scope = changed_scope(worker.version.detector.scope_, region, (), blank=None)
    rate = body.false_alarm_rate or worker.active.calibration.false_alarm_rate
    samples, warnings = _good(context, worker, rate, region)
    if not body.dry_run:
        warnings += _calibrate(worker, samples, region, rate, actor.name, body.reason)
    return GoodImagesAnswer(
        images=len(samples),
        false_alarm_rate=rate,
        looks_at=scope.describe() if scope else None,
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
    return Response(encode_png(alignment.reference), media_type="image/png")


def _region(body: CalibrateAsked) -> Region | None:
    return None if body.region is None else parse_region(body.region.model_dump(exclude_none=True))


def _good(
    context: Context, worker: ModelWorker, rate: float, region: Region | None
) -> tuple[list[Sample], list[str]]:
    """List the good images, with what is to be said before they are scored."""
    try:
        good = context.store.good_images(worker.id)
        samples = good_samples(context.store, good.images, worker.version.detector)
        check_enough(len(samples), len(good.images), rate, worker.name, region)
    except CalibrationError as error:
        raise ApiError("cannot_promise", str(error)) from None
    note = export_note(worker.version.runtime, worker.name, region)
    return samples, [*good.warnings, *([note] if note else [])]


def _calibrate(
    worker: ModelWorker, samples: list[Sample], region: Region | None, rate: float, who: str, reason: str
) -> list[str]:
    try:
        return worker.calibrate(samples, region, rate, who, reason)
    except CalibrationError as error:
        raise ApiError("cannot_promise", str(error)) from None
    except TwinspectError as error:
        raise ApiError("conflict", str(error)) from None
