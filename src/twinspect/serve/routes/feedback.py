"""Feedback on inspections; it changes no threshold by itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from twinspect.serve.http.context import BODY_ERRORS, ContextDep, Inspector, Viewer, error_responses
from twinspect.serve.http.presenters import present_feedback
from twinspect.serve.http.regions import drawn_region
from twinspect.serve.http.request_bodies import MAX_ID, FeedbackAsked
from twinspect.serve.http.schemas import FeedbackAnswer, InspectionsPage
from twinspect.serve.routes.inspections import search_page
from twinspect.serve.store import Filter

ROUTER = APIRouter(prefix="/v1/feedback", tags=["feedback"])


@ROUTER.post("", responses=error_responses("unknown_inspection", *BODY_ERRORS))
def feedback(context: ContextDep, actor: Inspector, body: FeedbackAsked) -> FeedbackAnswer:
    """Add a verdict on an inspected part, and where a defect is seen; the newest counts, all are kept."""
    context.inspection(body.inspection_id)
    region = drawn_region(body.region)
    row = context.store.add_feedback(body.inspection_id, body.verdict, body.comment, actor.name, region)
    return present_feedback(row)


@ROUTER.get("/disagreements", responses=error_responses())
def disagreements(
    context: ContextDep,
    _: Viewer,
    model: Annotated[str | None, Query(max_length=200)] = None,
    after: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> InspectionsPage:
    """Find inspections whose feedback contradicts the model, newest first."""
    return search_page(context, Filter(model=model, feedback="disagree"), after, limit)
