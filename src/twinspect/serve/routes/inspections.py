"""Searching inspections, as pages of JSON or as a CSV table."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import chain, islice
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from twinspect.serve.http.context import Context, ContextDep, Viewer, error_responses
from twinspect.serve.http.inspection_csv import csv_lines
from twinspect.serve.http.presenters import present_inspection
from twinspect.serve.http.request_bodies import MAX_ID, Moment
from twinspect.serve.http.schemas import InspectionAnswer, InspectionsPage
from twinspect.serve.store import Filter, Order, SortKey

ROUTER = APIRouter(prefix="/v1", tags=["inspections"])

Number = Annotated[int, Path(ge=1, le=MAX_ID)]
_CSV = "text/csv"


def read_filter(
    context: ContextDep,
    model: Annotated[str | None, Query(max_length=200)] = None,
    decision: Annotated[Literal["anomalous", "good", "not_inspectable", "failed"] | None, Query()] = None,
    feedback: Annotated[Literal["good", "defect", "unsure", "none", "disagree"] | None, Query()] = None,
    category: Annotated[str | None, Query(max_length=200)] = None,
    since: Annotated[Moment | None, Query(description="accepted at or after; UTC if it has no zone")] = None,
    until: Annotated[Moment | None, Query(description="accepted before; UTC if it has no zone")] = None,
    name: Annotated[str | None, Query(max_length=200, description="a part of the name")] = None,
    source: Annotated[Literal["api", "web", "watch"] | None, Query()] = None,
    folder: Annotated[str | None, Query(max_length=200, description="one of /v1/folders, by name")] = None,
) -> Filter:
    """Read a filter from a query."""
    return Filter(
        model=model,
        decision=decision,
        feedback=feedback,
        category=category,
        since=as_utc(since),
        until=as_utc(until),
        name_contains=name,
        source=source,
        folder=None if folder is None else context.folder(folder),
    )


def as_utc(moment: datetime | None) -> datetime | None:
    """Interpret a time without a zone as UTC, and one beyond the years that can be told as the nearest of them."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        return (datetime.min if moment.year == 1 else datetime.max).replace(tzinfo=timezone.utc)  # noqa: DTZ901


@ROUTER.get(
    "/inspections",
    response_model=InspectionsPage,
    responses={
        200: {
            "content": {_CSV: {"schema": {"type": "string"}}},
            "description": "a page, or with CSV all rows",
        },
        **error_responses("unknown_folder"),
    },
)
def inspections(
    request: Request,
    context: ContextDep,
    _: Viewer,
    criteria: Annotated[Filter, Depends(read_filter)],
    after: Annotated[int | None, Query(ge=1, le=MAX_ID, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    sort: Annotated[
        SortKey, Query(description="score: by multiples of the threshold that decided")
    ] = "received",
    order: Annotated[Literal["asc", "desc"], Query()] = "desc",
    table_format: Annotated[
        Literal["json", "csv"] | None, Query(alias="format", description="or by the header Accept")
    ] = None,
) -> InspectionsPage | Response:
    """Find inspections, newest first or in another order; CSV is newest first."""
    if table_format == "csv" or (table_format is None and _CSV in request.headers.get("accept", "")):
        headers = {"Content-Disposition": 'attachment; filename="inspections.csv"'}
        lines = csv_lines(context, criteria)
        first = "".join(islice(lines, 2))  # a store that cannot be read is told before the response has begun
        return StreamingResponse(chain([first], lines), media_type=_CSV, headers=headers)
    by = context.order(sort, ascending=order == "asc", model=criteria.model)
    return search_page(context, criteria, after, limit, by)


@ROUTER.get("/inspections/{number}", responses=error_responses("unknown_inspection"))
def inspection(context: ContextDep, _: Viewer, number: Number) -> InspectionAnswer:
    """Describe one inspection."""
    return present_inspection(context, context.inspection(number))


def search_page(
    context: Context, criteria: Filter, after: int | None, limit: int, order: Order | None = None
) -> InspectionsPage:
    """Return one page of the inspections that match a filter."""
    page = context.store.search(criteria, after, limit, order)
    return InspectionsPage(
        inspections=[present_inspection(context, row) for row in page.rows],
        next=page.next,
        total=page.total,
    )
