"""Liveness, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response

from twinspect.serve.http.context import ContextDep, Viewer, error_responses
from twinspect.serve.http.monitoring import CONTENT_TYPE
from twinspect.serve.http.schemas import HealthAnswer
from twinspect.serve.scoring.work_queue import stopping_error

ROUTER = APIRouter(tags=["health"])


@ROUTER.get("/healthz")
def alive() -> HealthAnswer:
    """Respond as long as the process runs."""
    return HealthAnswer(status="ok")


@ROUTER.get("/readyz", responses=error_responses("stopping"))
def ready(context: ContextDep) -> HealthAnswer:
    """Respond with 200 while images are accepted and the store can be read."""
    if context.stopping:
        raise stopping_error()
    context.store.models()
    return HealthAnswer(status="ok")


@ROUTER.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **error_responses()},
)
def metrics(context: ContextDep, _: Viewer) -> Response:
    """Return all metrics in Prometheus' text format."""
    return Response(context.metrics.text(), media_type=CONTENT_TYPE)
