"""Inspections as CSV, such that no spreadsheet evaluates a client's text as a formula."""

from __future__ import annotations

import csv
import io
import json
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
    "inspectable",
    "not_inspectable",
    "notice",
    "regions",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_PAGE: Final = 200


def csv_lines(context: Context, criteria: Filter) -> Iterator[str]:
    """Write all matching inspections, newest first, a page at a time, with memory that does not grow."""
    yield _csv_text([COLUMNS])
    after = None
    while True:
        page = context.store.search(criteria, after, _PAGE)
        yield _csv_text([_cells(context, row) for row in page.rows])
        after = page.next
        if after is None:
            return


def escape_formula(value: Any) -> Any:
    """Escape text that a spreadsheet would evaluate, so that it is shown instead.

    >>> escape_formula("=1+1"), escape_formula(-0.5), escape_formula("part 7")
    ("'=1+1", -0.5, 'part 7')
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _cells(context: Context, row: InspectionRow) -> list[Any]:
    cells = present_inspection(context, row).model_dump(mode="json")
    feedback = cells["feedback"] or {}
    cells["feedback"] = feedback.get("verdict")
    cells["inspectable"] = cells["is_inspectable"]
    cells["regions"] = None if cells["regions"] is None else json.dumps(cells["regions"])
    cells |= {"comment": feedback.get("comment"), "feedback_by": feedback.get("by")}
    return [escape_formula(cells[name]) for name in COLUMNS]


def _csv_text(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
