"""The report as one page that holds everything and loads nothing, with a chart of each main metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.benchmark.chart import compare
from twinspect.benchmark.summary import MEAN
from twinspect.benchmark.table_layout import definitions
from twinspect.metrics.definitions import TITLES
from twinspect.report.markup import NOTHING, Html, element, framed, section, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.benchmark.summary import SummaryRow
    from twinspect.benchmark.table_layout import Grid

DRAWN: Final = ("image_auroc", "pixel_auroc", "aupro_30")
"""The metrics that have a chart."""


def in_html(laid: Sequence[Grid], lines: Sequence[SummaryRow]) -> str:
    """Build the page."""
    protocols = list(dict.fromkeys(line.protocol for line in lines))
    parts = [
        element("header", element("h1", "Benchmark: ", element("em", ", ".join(protocols)))),
        *[_charts(protocol, lines) for protocol in protocols],
        *map(_grid, laid),
        _definitions(laid),
    ]
    return framed(f"Benchmark: {', '.join(protocols)}", parts)


def _charts(protocol: str, lines: Sequence[SummaryRow]) -> Html:
    means = [line for line in lines if line.protocol == protocol and line.category == MEAN]
    drawn = []
    for key in DRAWN:
        having = [line for line in means if key in line.cells and line.cells[key].values]
        if having:
            drawn.append(element("figure", compare(having, key, TITLES[key])))
    words = (
        "Mean over the categories; dots with one standard deviation over seeds are ours, rings (°) published."
    )
    note = element("p", words, class_="note")
    return section(f"Protocol {protocol}", note, *drawn) if drawn else NOTHING


def _grid(grid: Grid) -> Html:
    note = element("p", grid.note, class_="note") if grid.note else NOTHING
    all_words = grid.words == len(grid.columns)
    return section(grid.title, table(grid.columns, grid.rows, grid.title, wrapped=all_words), note)


def _definitions(laid: Sequence[Grid]) -> Html:
    terms = [
        part
        for name, text in definitions(laid).items()
        for part in (element("dt", name), element("dd", text))
    ]
    return element(
        "details", element("summary", "What each number is"), element("dl", *terms), class_="block"
    )
