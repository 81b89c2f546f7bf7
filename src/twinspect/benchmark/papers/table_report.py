"""A table of a paper as it stands: our runs beside the printed numbers, and what departs from the paper."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from twinspect.benchmark import table_layout
from twinspect.benchmark.csv_table import COLUMNS, csv_rows, to_csv
from twinspect.benchmark.latex import to_latex
from twinspect.benchmark.markdown import to_markdown
from twinspect.benchmark.mean_std import MISSING
from twinspect.benchmark.papers.figures import draw
from twinspect.benchmark.published import published
from twinspect.benchmark.records import RunRecord, RunSeries, read_records, settings_of
from twinspect.benchmark.summary import MEAN, SummaryRow, our_rows, published_rows
from twinspect.benchmark.table_layout import (
    ALL_DEFINITIONS,
    Grid,
    definitions,
    results,
    run_cost,
)
from twinspect.metrics.definitions import TITLES
from twinspect.report.rendering import render_template
from twinspect.report.svg_file import to_svg_file
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from twinspect.benchmark.papers.paper_table import PaperTable
    from twinspect.benchmark.papers.table_plan import PlannedRow, TablePlan
    from twinspect.benchmark.store import RunStore

PRINTED_COSTS = ("batch1_seconds", "parameters")
"""The costs that a paper prints."""


@dataclass(frozen=True)
class _Part:
    """What is known of one set.

    Attributes:
        title: of the set.
        coverage: how many of its categories the means are over; empty: all.
        summary: every row, ours and printed.
        all_series: ours.
    """

    title: str
    coverage: str
    summary: list[SummaryRow]
    all_series: list[RunSeries]


def write_paper_table(store: RunStore, plan: TablePlan) -> tuple[str, dict[str, Any]]:
    """Write a table into the folder of its store: ``NAME.md``, ``.csv``, ``.tex``, ``.html``, figures as ``.svg``.

    Args:
        store: of the runs, done or not.
        plan: of the table.

    Returns:
        The table as text for a terminal, and plain JSON values of all of it.

    Raises:
        MissingExtraError: scikit-learn is not installed, where features are laid out.
        OSError: the disk is full.
    """
    table, folder = plan.table, store.folder
    records = {record.row["key"]: record for record in read_records(store)}
    undrawn = dict(plan.skipped)
    charts = draw(plan, records, folder, undrawn)
    plan = replace(plan, skipped=undrawn)
    parts = _parts(plan, records)
    shown = [*_result_grids(table, parts), *_cost_grids(table, parts)]
    grids = [*shown, *_further_grids(parts), *_note_grids(plan)]
    numbers = [row for part in parts for row in csv_rows(part.all_series, part.summary)]
    numbers += _cost_numbers(table, parts)
    files = {
        f"{table.name}.md": to_markdown(grids, table.title),
        f"{table.name}.csv": to_csv(numbers),
        f"{table.name}.tex": to_latex(grids),
        f"{table.name}.html": _page(table, grids, charts),
        **{f"{name}.svg": to_svg_file(chart) for name, chart in _named(table, charts).items()},
    }
    for name, text in files.items():
        write_atomically(folder / name, text.encode(errors="backslashreplace"))
    record = {
        "table": table.name,
        "title": table.title,
        "notes": _notes(plan),
        "skipped": plan.skipped,
        "files": sorted(files),
        "numbers": numbers,
    }
    return _text(table, plan, [_briefly(grid, table) for grid in shown]), record


def _parts(plan: TablePlan, records: Mapping[str, RunRecord]) -> list[_Part]:
    sets = {row.found.title: row.found.protocol for row in plan.rows}
    parts = []
    for title, protocol in sets.items():
        rows = [row for row in plan.rows if row.found.title == title]
        all_series = [_series(row, records) for row in rows]
        ours = [line for series in all_series for line in our_rows(series)]
        summary = [*ours, *_printed(plan.table, title, protocol)]
        categories = list(dict.fromkeys(line.category for line in summary))
        summary.sort(key=lambda line: (line.category != MEAN, categories.index(line.category)))
        parts.append(_Part(title, rows[0].coverage, summary, all_series))
    return parts


def _printed(table: PaperTable, title: str, protocol: str) -> list[SummaryRow]:
    """List the printed rows of a set in the table's order, those of the categories that it shows."""
    used = table.categories.get(protocol)
    rows = [
        row
        for row in published_rows(title, published(protocol))
        if row.method in table.published_methods
        and (table.by_category or row.category == MEAN)
        and (used is None or row.category in used)  # and not the mean, which is over others too
    ]
    return sorted(rows, key=lambda row: table.published_methods.index(row.method))


def _series(row: PlannedRow, records: Mapping[str, RunRecord]) -> RunSeries:
    runs = [records[run.key] for run in row.runs]
    return RunSeries(row.found.title, row.arm.label, settings_of(runs[0].row), runs)


def _result_grids(table: PaperTable, parts: Sequence[_Part]) -> list[Grid]:
    return [
        replace(
            results(part.title, part.summary, metrics=table.metrics),
            title=f"{', '.join(filter(None, [part.title, part.coverage]))}: results in percent",
        )
        for part in parts
    ]


def _briefly(grid: Grid, table: PaperTable) -> Grid:
    """Keep of results the means alone, unless the table is one of categories."""
    if table.by_category or grid.columns[0] != "Category":
        return grid
    return replace(grid, rows=[row for row in grid.rows if row[0] == MEAN])


def _cost_grids(table: PaperTable, parts: Sequence[_Part]) -> list[Grid]:
    """Set size and time beside the printed ones."""
    if not table.costs:
        return []
    ours = [
        (part.title, series.label, *[run_cost(series, key).format(1, 2) for key in PRINTED_COSTS])
        for part in parts
        for series in part.all_series
    ]
    printed = [
        (
            "",
            f"{method}, published",
            *[f"{costs[key]:.2f}" if key in costs else MISSING for key in PRINTED_COSTS],
        )
        for method, costs in table.costs.items()
    ]
    columns = ("Set", "Method", *[TITLES[key] for key in PRINTED_COSTS])
    return [Grid("Size, and time of one image", columns, [*ours, *printed], 2, PRINTED_COSTS)]


def _cost_numbers(table: PaperTable, parts: Sequence[_Part]) -> list[dict[str, Any]]:
    rows = []
    for method, costs in table.costs.items():
        for key, value in costs.items():
            cells = (
                parts[0].title,
                "",
                method,
                "published",
                key,
                value,
                None,
                1,
                1,
                table.title,
                ALL_DEFINITIONS[key],
            )
            rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def _further_grids(parts: Sequence[_Part]) -> list[Grid]:
    """Lay out what every report has besides its results, without departures from papers, which notes list by row."""
    all_series = [series for part in parts for series in part.all_series]
    runs = [run for series in all_series for run in series.runs]
    grids = [
        table_layout.costs(all_series),
        table_layout.binned_metrics(runs),
        table_layout.unreadable(runs),
        table_layout.missing(runs),
        table_layout.settings(all_series),
        table_layout.environments(runs),
        table_layout.sources([row for part in parts for row in part.summary]),
    ]
    return [grid for grid in grids if grid.rows]


def _note_grids(plan: TablePlan) -> list[Grid]:
    grids = [
        Grid("How it compares with the paper", ("Note",), [(note,) for note in _notes(plan)], 1),
        Grid("Left out", ("What", "Why"), list(plan.skipped.items()), 2),
    ]
    return [grid for grid in grids if grid.rows]


def _text(table: PaperTable, plan: TablePlan, grids: Sequence[Grid]) -> str:
    """Write tables for a terminal, then notes, then what is left out."""
    notes = [f"note: {note}" for note in _notes(plan)]
    notes += [f"left out: {what}: {why}" for what, why in plan.skipped.items()]
    return "\n\n".join([table.title, *map(_plain, grids), "\n".join(notes)])


def _notes(plan: TablePlan) -> list[str]:
    return [*filter(None, [plan.table.note]), *plan.notes]


def _plain(grid: Grid) -> str:
    """Align a table's columns with spaces."""
    rows = [grid.columns, *grid.rows]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place < grid.words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([grid.title, *lines])


def _named(table: PaperTable, charts: Mapping[str, Markup]) -> dict[str, Markup]:
    """Name the charts as files: by the table, and by their number where there are several."""
    if len(charts) == 1:
        return {table.name: next(iter(charts.values()))}
    return {f"{table.name}-{number}": chart for number, chart in enumerate(charts.values(), 1)}


def _page(table: PaperTable, grids: Sequence[Grid], charts: Mapping[str, Markup]) -> str:
    return render_template(
        "benchmark/papers/page.html",
        title=table.title,
        charts=charts,
        grids=grids,
        meanings=definitions(grids),
    )
