"""The report for programs: one row a number, at full precision, with its definition and source."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.table_layout import MEANINGS, cost
from twinspect.metrics import COSTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.benchmark.mean_std import MeanStd
    from twinspect.benchmark.records import RunSeries
    from twinspect.benchmark.summary import SummaryRow

COLUMNS: Final = (
    *("protocol", "category", "method", "kind", "metric"),
    *("mean", "deviation", "runs", "runs_wanted", "source", "definition"),
)


def rows(series: Sequence[RunSeries], lines: Sequence[SummaryRow]) -> Iterator[dict[str, Any]]:
    """List every number: metrics as fractions, costs in the units of their definitions; empty where missing."""
    for line in lines:
        for key, cell in line.cells.items():
            about = (line.protocol, line.category, line.method, line.kind, key)
            yield _row(about, cell, line.source, MEANINGS[key])
    for each in series:
        for key, definition in COSTS.items():
            about = (each.protocol, "", each.label, "ours", key)
            yield _row(about, cost(each, key), f"teacher {each.settings['teacher']}", definition)


def in_csv(found: Sequence[dict[str, Any]]) -> str:
    """Write rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()


def _row(about: tuple[str, ...], cell: MeanStd, source: str, definition: str) -> dict[str, Any]:
    values = (cell.mean, cell.deviation, len(cell.values), cell.wanted, source, definition)
    return dict(zip(COLUMNS, (*about, *values), strict=True))
