"""The report as one page that holds everything and loads nothing, with a chart of each main metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.benchmark.chart import compare
from twinspect.benchmark.summary import MEAN
from twinspect.benchmark.table_layout import definitions
from twinspect.metrics.definitions import TITLES
from twinspect.report.rendering import render_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from twinspect.benchmark.summary import SummaryRow
    from twinspect.benchmark.table_layout import Grid

DRAWN: Final = ("image_auroc", "pixel_auroc", "aupro_30")
"""The metrics that have a chart."""


def to_html(grids: Sequence[Grid], rows: Sequence[SummaryRow]) -> str:
    """Build the page.

    Args:
        grids: its tables.
        rows: of the tables of results, for the charts.
    """
    charts = {row.protocol: _charts(row.protocol, rows) for row in rows}
    return render_template("benchmark/page.html", charts=charts, grids=grids, meanings=definitions(grids))


def _charts(protocol: str, rows: Sequence[SummaryRow]) -> list[Markup]:
    means = [row for row in rows if row.protocol == protocol and row.category == MEAN]
    measured = {key: [row for row in means if key in row.cells and row.cells[key].values] for key in DRAWN}
    return [compare(shown, key, TITLES[key]) for key, shown in measured.items() if shown]
