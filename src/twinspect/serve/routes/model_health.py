"""The health light of a model: is it inspecting, since when, by which version, and do its results arrive?"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import APIRouter

from twinspect.serve.drift.latest import latest_drift
from twinspect.serve.http.context import Context, ContextDep, Viewer, error_responses
from twinspect.serve.http.line_presenters import present_sink, present_source
from twinspect.serve.http.line_schemas import (
    LastImageAnswer,
    ModelHealthAnswer,
    ServedVersionAnswer,
    SinkAnswer,
    SourceAnswer,
)
from twinspect.serve.http.schemas import QueueAnswer
from twinspect.serve.scoring.model_worker import ModelWorker
from twinspect.serve.sinks.result_record import decision_of

ROUTER = APIRouter(prefix="/v1", tags=["health"])
LATE: Final = timedelta(minutes=1)
"""How long a result may wait for a sink before somebody should look at it."""


@ROUTER.get("/models/{model}/health", responses=error_responses("unknown_model"))
def health(context: ContextDep, actor: Viewer, model: str) -> ModelHealthAnswer:
    """Say whether a model is inspecting, since when and by which version, and what its sources and sinks do."""
    context.check_model(model)
    worker = context.sources.worker(model)
    sinks = [present_sink(context, row, actor) for row in context.delivering.sinks.all(model)]
    sources = [present_source(context, row, actor) for row in context.sources.rows.all(model)]
    stopped = _why_stopped(context, worker)
    warnings = [*_of_model(context, worker), *_of_sources(sources), *_of_sinks(context, sinks)]
    return ModelHealthAnswer(
        model=model,
        light="red" if stopped else "yellow" if warnings else "green",
        reasons=[*stopped, *warnings],
        is_inspecting=not stopped,
        since=worker.version.loaded_at if worker else None,
        version=_version(context, worker) if worker else None,
        last_image=_last_image(context, worker) if worker else None,
        queue=QueueAnswer(length=worker.queue.length, limit=worker.queue.limit) if worker else None,
        sinks=sinks,
        sources=sources,
    )


def _version(context: Context, worker: ModelWorker) -> ServedVersionAnswer:
    version = worker.version
    number = context.studio.version_number(worker.name, version.weights_sha256) if context.studio else None
    return ServedVersionAnswer(
        number=number,
        weights_sha256=version.weights_sha256,
        calibration_id=worker.active.id,
        method=version.detector.method_name,
        runtime=version.runtime,
    )


def _last_image(context: Context, worker: ModelWorker) -> LastImageAnswer | None:
    row = context.store.last_finished(worker.id)
    if row is None or row.scored_at is None:
        return None
    return LastImageAnswer.model_validate(
        {
            "inspection_id": row.id,
            "name": row.name,
            "scored_at": row.scored_at,
            "verdict": decision_of(row),
        }
    )


def _why_stopped(context: Context, worker: ModelWorker | None) -> list[str]:
    if worker is None:
        return ["nothing is inspected: the product has no version yet"]
    if context.stopping or worker.queue.is_stopping:
        return ["nothing more is inspected: the server is stopping"]
    return []


def _of_model(context: Context, worker: ModelWorker | None) -> list[str]:
    if worker is None:
        return []
    said = ["the newest version of the model cannot be loaded; an older one scores"] if worker.error else []
    if worker.queue.length >= worker.queue.limit:
        said.append(f"the queue is full: {worker.queue.length} images wait")
    drift = latest_drift(context, worker)
    return [*said, drift] if drift else said


def _of_sources(sources: list[SourceAnswer]) -> list[str]:
    return [f"{source.name}: {source.state.error}" for source in sources if source.state.state == "failing"]


def _of_sinks(context: Context, sinks: list[SinkAnswer]) -> list[str]:
    said = []
    for sink in sinks:
        state, name = sink.state, f"{sink.kind} {sink.address}"
        if state.error:
            said.append(f"{name}: {state.error}; {state.waiting} results wait")
        elif sink.enabled and state.oldest and context.store.now() - state.oldest > LATE:
            said.append(f"{name}: {state.waiting} results wait, the first since {state.oldest:%H:%M:%S} UTC")
        if state.given_up:
            said.append(f"{name}: {state.given_up} results were given up")
    return said
