"""Whether the server lives, whether it takes images, and its numbers."""

from __future__ import annotations

from fastapi import APIRouter, Response

from twinspect.serve.http.context import Here, Viewer, refusals
from twinspect.serve.http.monitoring import CONTENT_TYPE
from twinspect.serve.http.schemas import HealthAnswer
from twinspect.serve.scoring.work_queue import stopping

ROUTER = APIRouter(tags=["health"])


@ROUTER.get("/healthz")
def alive() -> HealthAnswer:
    """Answer as long as the process works."""
    return HealthAnswer(status="ok")


@ROUTER.get("/readyz", responses=refusals("stopping"))
def ready(here: Here) -> HealthAnswer:
    """Answer 200 while images are taken, and the store can be read."""
    if here.stopping:
        raise stopping()
    here.store.models()
    return HealthAnswer(status="ok")


@ROUTER.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals()},
)
def metrics(here: Here, _: Viewer) -> Response:
    """Give all numbers in Prometheus' text format."""
    return Response(here.metrics.text(), media_type=CONTENT_TYPE)
