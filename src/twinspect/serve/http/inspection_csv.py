"""Inspections as CSV, such that no spreadsheet takes a client's text for a formula."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from twinspect.serve.http.presenters import present_inspection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinspect.serve.http.context import Context
    from twinspect.serve.store import Filter, InspectionRow

COLUMNS: Final = (
    "id",
    "model",
    "name",
    "category",
    "source",
    "state",
    "accepted_at",
    "scored_at",
    "score",
    "p_value",
    "is_anomalous",
    "threshold",
    "calibration_id",
    "width",
    "height",
    "feedback",
    "comment",
    "feedback_by",
    "error",
    "milliseconds",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_PAGE: Final = 200


def csv_lines(context: Context, criteria: Filter) -> Iterator[str]:
    """Write all that fits a filter, newest first, a page at a time, so that memory does not grow with it."""
    yield _csv_text([COLUMNS])
    after = None
    while True:
        page = context.store.search(criteria, after, _PAGE)
        yield _csv_text([_cells(context, row) for row in page.rows])
        after = page.next
        if after is None:
            return


def escape_formula(value: Any) -> Any:
    """Make text that a spreadsheet would compute into text that it shows.

    >>> safe("=1+1"), safe(-0.5), safe("part 7")
    ("'=1+1", -0.5, 'part 7')
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _cells(context: Context, row: InspectionRow) -> list[Any]:
    told = present_inspection(context, row).model_dump(mode="json")
    said = told["feedback"] or {}
    told |= {"feedback": said.get("verdict"), "comment": said.get("comment"), "feedback_by": said.get("by")}
    return [escape_formula(told[name]) for name in COLUMNS]


def _csv_text(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
