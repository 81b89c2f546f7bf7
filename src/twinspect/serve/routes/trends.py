"""Trends: scores for a histogram, what another rate would have changed, and drift."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any

from fastapi import APIRouter, Query

from twinspect.errors import CalibrationError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.drift.verdict import verdict_record
from twinspect.serve.drift.what_if import what_if
from twinspect.serve.drift.windows import find_drift
from twinspect.serve.http.context import ContextDep, Viewer, error_responses
from twinspect.serve.http.request_bodies import Moment
from twinspect.serve.http.schemas import DriftAnswer, ScoresAnswer, WhatIfAnswer
from twinspect.serve.routes.inspections import as_utc
from twinspect.serve.store import InspectionSeries

ROUTER = APIRouter(prefix="/v1/models/{model}", tags=["over time"])

RECENT = 1000
"""How many of the newest scores are used."""
MAX_WINDOWS = 60


@ROUTER.get("/scores", responses=error_responses("unknown_model"))
def scores(
    context: ContextDep,
    _: Viewer,
    model: str,
    since: Annotated[Moment | None, Query(description="scored at or after; UTC if it has no zone")] = None,
) -> ScoresAnswer:
    """Return raw scores by the current weights: of the calibration, the newest ones, and those with feedback."""
    worker = context.registry.get(model)
    start = as_utc(since)

    def newest(verdict: Any = None) -> list[float]:
        series = context.store.scores(worker.id, since=start, limit=RECENT, verdict=verdict)
        values: list[float] = series.scores.tolist()
        return values

    return ScoresAnswer(
        calibration=list(worker.active.calibration.scores),
        recent=newest(),
        good=newest("good"),
        defect=newest("defect"),
    )


@ROUTER.get("/whatif", responses=error_responses("unknown_model", "cannot_promise"))
def what_another_rate_changes(
    context: ContextDep, _: Viewer, model: str, rate: Annotated[float, Query(gt=0, lt=1)]
) -> WhatIfAnswer:
    """Compute what another false-alarm rate would have decided about the newest images; nothing is changed."""
    worker = context.registry.get(model)
    recent = context.store.scores(worker.id, limit=RECENT)
    try:
        result = what_if(
            worker.active.calibration,
            rate,
            ids=recent.ids,
            scores=recent.scores,
            is_anomalous=recent.is_anomalous,
            verdicts=recent.verdicts,
            categories=recent.categories,
        )
    except CalibrationError as error:
        raise ApiError("cannot_promise", str(error)) from None
    record = result.to_record()
    return WhatIfAnswer(rate=record.pop("false_alarm_rate"), recent=record.pop("images"), **record)


@ROUTER.get("/drift", responses=error_responses("unknown_model"))
def drift(
    context: ContextDep,
    _: Viewer,
    model: str,
    window: Annotated[int, Query(ge=5, le=1000, description="images")] = 50,
) -> DriftAnswer:
    """Compare production with the calibration, by windows of images; false alarms have a stated rate."""
    worker = context.registry.get(model)
    windows = context.store.windows(worker.id, size=window, limit=MAX_WINDOWS)
    found = find_drift(worker.active.calibration, windows)
    record = {**found.to_record(), "verdict": verdict_record(found)}
    answers = [
        {**row, **_window_range(series)} for row, series in zip(record["windows"], windows, strict=True)
    ]
    since = windows[0].scored_at[0] if windows else datetime.min.replace(tzinfo=timezone.utc)
    apart = context.store.count_not_inspectable(worker.id, since)
    return DriftAnswer.model_validate(
        {**record, "window": window, "windows": answers, "not_inspectable": apart}
    )


def _window_range(window: InspectionSeries) -> dict[str, Any]:
    """Return when a window began and ended, and its first and last inspection."""
    return {
        "from": window.scored_at[0],
        "to": window.scored_at[-1],
        "first": int(window.ids[0]),
        "last": int(window.ids[-1]),
    }
