"""A chart of one metric: every method on a line of its own, ours as dots with their spread, published as rings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.report.charts import ticks
from twinspect.report.svg import BLUE, DOT, INK, WHISKER, in_page_style, inline_svg, new_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from twinspect.benchmark.mean_std import MeanStd
    from twinspect.benchmark.summary import SummaryRow

LINE_HEIGHT: Final = 26
"""Of a method, in pixels."""
NAME_WIDTH: Final = 250
"""Of the column of names, in pixels."""
LETTERS: Final = 32
"""A longer name is cut."""


@in_page_style
def compare(rows: Sequence[SummaryRow], key: str, name: str) -> Markup:
    """Draw a metric of several methods, in percent.

    Args:
        rows: those that have values of it; at least one.
        key: of the metric.
        name: of the metric, for people.
    """
    intervals = [_interval(row.cells[key]) for row in rows]
    low = max(min(low for low, _, _ in intervals) - 1, 0)
    marks = ticks(low, min(max(high for _, _, high in intervals) + 1, 100))
    height = LINE_HEIGHT * len(rows)
    axes = new_axes((NAME_WIDTH + 450, height + 56), left=NAME_WIDTH, top=8, right=20, bottom=48)
    axes.set(
        xlim=(marks[0], marks[-1]), ylim=(len(rows) - 0.5, -0.5), xticks=marks, xlabel=f"{name}, percent"
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(rows)), map(_label, rows))
    axes.grid(visible=False, axis="y")
    for number, (row, (low, mean, high), label) in enumerate(
        zip(rows, intervals, axes.get_yticklabels(), strict=True)
    ):
        if row.kind == "ours":
            label.set_color(INK)
            axes.errorbar(mean, number, xerr=[[mean - low], [high - mean]], **DOT, **WHISKER)
        else:
            axes.plot(mean, number, "o", markersize=10, fillstyle="none", color=BLUE, markeredgewidth=1.2)
    return inline_svg(axes, f"{name} of {len(rows)} methods, in percent")


def _label(row: SummaryRow) -> str:
    """Cut a long name, mark a published one, and leave out what no font can draw."""
    name = row.method if len(row.method) <= LETTERS else f"{row.method[: LETTERS - 1]}…"
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if row.kind == "ours" else f"{name} °"


def _interval(cell: MeanStd) -> tuple[float, float, float]:
    """Give the mean in percent between both ends of one standard deviation around it, as far as a share goes."""
    mean, deviation = cell.mean or 0.0, cell.deviation or 0.0
    return 100 * max(mean - deviation, 0.0), 100 * mean, 100 * min(mean + deviation, 1.0)
