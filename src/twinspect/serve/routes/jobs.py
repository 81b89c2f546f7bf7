"""Trainings and exports of products."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from twinspect.errors import ConfigError, NotStoredError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import BODY_ERRORS, ContextDep, Trainer, Viewer, error_responses
from twinspect.serve.http.product_presenters import present_job
from twinspect.serve.http.product_schemas import JobAnswer, JobsAnswer, TrainingAsked
from twinspect.serve.http.request_bodies import MAX_ID
from twinspect.serve.products.studio import QuotaError
from twinspect.serve.routes.products import product_of, studio_of
from twinspect.serve.store.product_records import Asked

ROUTER = APIRouter(prefix="/v1", tags=["jobs"])
_ASKED: dict[str, Asked] = {"pause": "pause", "resume": "run", "cancel": "cancel"}


@ROUTER.get("/jobs", responses=error_responses("not_found"))
def under_way(context: ContextDep, _: Viewer) -> JobsAnswer:
    """List the jobs of all products that are waiting, running or paused, oldest first."""
    studio = studio_of(context)
    return JobsAnswer(jobs=[present_job(studio, job) for job in studio.jobs.under_way()])


@ROUTER.get("/products/{name}/jobs", responses=error_responses("unknown_product"))
def jobs(context: ContextDep, _: Viewer, name: str) -> JobsAnswer:
    """List the newest jobs of a product, newest first."""
    studio = studio_of(context)
    rows = studio.jobs.of_product(product_of(studio, name).id)
    return JobsAnswer(jobs=[present_job(studio, job) for job in rows])


@ROUTER.post(
    "/products/{name}/jobs",
    status_code=201,
    responses=error_responses("unknown_product", "conflict", "quota_exceeded", *BODY_ERRORS),
)
def train(context: ContextDep, actor: Trainer, name: str, body: TrainingAsked) -> JobAnswer:
    """Train a version, or update the active one; images that were judged become photos first.

    One training runs at a time, in a process of its own on one thread, and inspection goes on meanwhile.
    """
    studio = studio_of(context)
    product_of(studio, name)
    try:
        job = studio.ask_for(name, body.kind, body.minutes, actor.name)
    except QuotaError as error:
        raise ApiError("quota_exceeded", str(error)) from None
    except ConfigError as error:
        raise ApiError("conflict", str(error)) from None
    return present_job(studio, job)


@ROUTER.post("/jobs/{job}/{action}", responses=error_responses("unknown_job", "conflict"))
def ask(
    context: ContextDep,
    actor: Trainer,
    job: Annotated[int, Path(ge=1, le=MAX_ID)],
    action: Literal["pause", "resume", "cancel"],
) -> JobAnswer:
    """Pause a job, which frees the processor, go on with it, or end it; a paused one goes on where it was."""
    studio = studio_of(context)
    try:
        return present_job(studio, studio.ask_of(job, _ASKED[action], actor.name))
    except NotStoredError as error:
        raise ApiError("unknown_job", str(error)) from None
    except ConfigError as error:
        raise ApiError("conflict", str(error)) from None
