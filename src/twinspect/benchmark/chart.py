"""A chart of one metric: every method on a line of its own, ours as dots with their spread, published as rings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.report.charts import Plane, drawing, text, ticks
from twinspect.report.markup import Html, element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.benchmark.mean_std import MeanStd
    from twinspect.benchmark.summary import SummaryRow

LINE: Final = 26
"""Height of a method's line, in pixels of the drawing."""
NAMES: Final = 250
"""Width of the column of names, likewise."""
LETTERS: Final = 32
"""A longer name is cut."""


def compare(lines: Sequence[SummaryRow], key: str, name: str) -> Html:
    """Draw a metric of several methods, in percent.

    Args:
        lines: those that have values of it; at least one.
        key: of the metric.
        name: of the metric, for people.
    """
    shown = [(line, line.cells[key]) for line in lines]
    ends = [100 * value for _, cell in shown for value in _reach(cell)]
    marks = ticks(max(min(ends) - 1, 0), min(max(ends) + 1, 100))
    plane = Plane(
        (marks[0], marks[-1]), (0, len(shown)), left=NAMES, top=8, width=430, height=LINE * len(shown)
    )
    parts = [plane.grid(marks, ())]
    for place, (line, cell) in enumerate(shown):
        parts += _entry(plane, line, cell, len(shown) - place - 0.5)
    parts.append(plane.scale(marks, f"{name}, percent", _plain))
    height = plane.bottom + 48
    return drawing(NAMES + 450, height, f"{name} of {len(shown)} methods, in percent", *parts)


def _entry(plane: Plane, line: SummaryRow, cell: MeanStd, height: float) -> list[Html]:
    x, y = plane.place(100 * (cell.mean or 0.0), height)
    name = line.method if len(line.method) <= LETTERS else f"{line.method[: LETTERS - 1]}…"
    ours = line.kind == "ours"
    parts = [text((NAMES - 12, y + 4), name if ours else f"{name} °", "end", strong=ours)]
    if not ours:
        return [*parts, element("circle", cx=x, cy=y, r=5, class_="ring c0")]
    low, high = _reach(cell)
    return [
        *parts,
        plane.line((100 * low, 100 * high), (height, height), "whisker"),
        plane.dot(100 * (cell.mean or 0.0), height),
    ]


def _reach(cell: MeanStd) -> tuple[float, float]:
    """Give both ends of one standard deviation around the mean, as far as a share goes."""
    middle, deviation = cell.mean or 0.0, cell.deviation or 0.0
    return max(middle - deviation, 0.0), min(middle + deviation, 1.0)


def _plain(value: float) -> str:
    return f"{value:g}"
