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
    """Respond with 200 once models are loaded, until the server stops, while the store can be read.

    Whether images find room is not asked: a full queue or disk is answered to uploads, with 429 or 507.
    """
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
    """Return all metrics in Prometheus' text format; with tokens, to the role `view`."""
    return Response(context.metrics.text(), media_type=CONTENT_TYPE)
