"""The report as CSV for programs: a number a row, at full precision, with its definition and source."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.table_layout import ALL_DEFINITIONS, run_cost
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


def csv_rows(all_series: Sequence[RunSeries], summary: Sequence[SummaryRow]) -> Iterator[dict[str, Any]]:
    """List every number: metrics as fractions, costs in the units of their definitions; empty where missing."""
    for row in summary:
        for key, cell in row.cells.items():
            names = (row.protocol, row.category, row.method, row.kind, key)
            yield _row(names, cell, row.source, ALL_DEFINITIONS[key])
    for series in all_series:
        for key, definition in COSTS.items():
            names = (series.protocol, "", series.label, "ours", key)
            yield _row(names, run_cost(series, key), f"teacher {series.settings['teacher']}", definition)


def to_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(names: tuple[str, ...], cell: MeanStd, source: str, definition: str) -> dict[str, Any]:
    values = (cell.mean, cell.deviation, len(cell.values), cell.expected, source, definition)
    return dict(zip(COLUMNS, (*names, *values), strict=True))
