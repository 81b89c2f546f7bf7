"""The report as plain tables with notes, whatever format they are written in."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.mean_std import MISSING, MeanStd
from twinspect.benchmark.shortfalls import shortfall_of_series
from twinspect.benchmark.summary import MEAN, POOLED, REPORTED_METRICS
from twinspect.metrics import COSTS, DEFINITIONS, FURTHER_DEFINITIONS
from twinspect.metrics.definitions import COST_TABLE, TITLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.benchmark.records import RunRecord, RunSeries
    from twinspect.benchmark.summary import SummaryRow

ALL_DEFINITIONS: Final = DEFINITIONS | FURTHER_DEFINITIONS | COSTS
"""The definition of each number of a report."""
_COST_FACTORS: Final = {cost.key: cost.factor for cost in COST_TABLE}
_ENVIRONMENT: Final = {
    "version": "twinspect",
    "git_commit": "Commit",
    "device": "Device",
    "cores": "Cores",
    "python": "Python",
    "torch": "PyTorch",
    "host": "Host",
}
HOW_TO_READ: Final = (
    "Mean ± standard deviation (n - 1) over seeds. Where seeds are missing, (n of m) says how many there are; a "
    "mean over categories counts only seeds of which every category is done, and only categories for which the "
    "metric is defined. Published numbers are as printed; by how many runs is for their source to say."
)


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        title: what it shows.
        columns: the headings.
        rows: a cell for each heading; the first ones are words.
        words: how many columns, from the left, hold words.
        keys: the metrics and costs whose definitions belong to it.
        note: how to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: int
    keys: tuple[str, ...] = ()
    note: str = ""

    @property
    def definitions(self) -> dict[str, str]:
        """The definitions of its numbers, by the headings of their columns."""
        return {TITLES[key]: ALL_DEFINITIONS[key] for key in self.keys}


def report_grids(
    all_series: Sequence[RunSeries], summary: Sequence[SummaryRow], beside: str | None = None
) -> list[Grid]:
    """Lay out everything that is reported; tables without rows are left out.

    Args:
        all_series: the runs.
        summary: rows of the tables of results.
        beside: the protocol of the published numbers, where it is another one.
    """
    runs = [run for series in all_series for run in series.runs]
    protocols = list(dict.fromkeys(series.protocol for series in all_series))
    grids = [
        *[results(name, [row for row in summary if row.protocol == name], beside) for name in protocols],
        costs(all_series),
        binned_metrics(runs),
        unreadable(runs),
        missing(runs),
        shortfalls(all_series),
        settings(all_series),
        environments(runs),
        sources(summary),
    ]
    return [grid for grid in grids if grid.rows]


def results(
    protocol: str,
    summary: Sequence[SummaryRow],
    beside: str | None = None,
    metrics: Sequence[str] = REPORTED_METRICS,
) -> Grid:
    """Tabulate the metrics, in percent.

    Args:
        protocol: what was run.
        summary: the rows.
        beside: the protocol of the published numbers, where it is another one.
        metrics: the columns, of which those without a value are left out.
    """
    keys = _present(metrics, (key for row in summary for key in row.cells))
    rows = [
        (
            row.category,
            row.method if row.kind == "ours" else f"{row.method}, published",
            *[row.cells.get(key, MeanStd((), 0)).format(100) for key in keys],
        )
        for row in summary
    ]
    columns = ("Category", "Method", *[TITLES[key] for key in keys])
    averaged = {row.category for row in summary if row.kind == "ours"} - {MEAN, POOLED}
    note = f"Our mean is over {len(averaged)}: {', '.join(sorted(averaged))}. {HOW_TO_READ}"
    if beside:
        note += f" They are those of protocol {beside}."
    return Grid(f"Protocol {protocol}: results in percent", columns, rows, 2, keys, note)


def costs(all_series: Sequence[RunSeries]) -> Grid:
    """Tabulate the costs of a run of each series, on average over its runs."""
    costs_of_series = [{key: run_cost(series, key) for key in COSTS} for series in all_series]
    keys = _present(COSTS, (key for by_key in costs_of_series for key, cost in by_key.items() if cost.values))
    rows = [
        (series.protocol, series.label, series.settings["teacher"], *[by_key[key].format() for key in keys])
        for series, by_key in zip(all_series, costs_of_series, strict=True)
    ]
    columns = ("Protocol", "Method", "Teacher", *[TITLES[key] for key in keys])
    note = "Mean ± standard deviation over the runs of all tasks and seeds; (n of m) where some are not measured."
    return Grid("Time, memory and size of a run", columns, rows, 3, keys, note)


def run_cost(series: RunSeries, key: str) -> MeanStd:
    """Gather one kind of cost from all runs of a series, in the unit of its definition."""
    values = [run.row[key] * _COST_FACTORS[key] for run in series.runs if run.row[key] is not None]
    return MeanStd(tuple(values), len(series.runs))


def binned_metrics(runs: Sequence[RunRecord]) -> Grid:
    """Tabulate how far pixel metrics of many pixels may be off, by task."""
    rows = []
    for run in runs:
        for category, bounds in json.loads(run.row["error_bounds"] or "{}").items():
            text = ", ".join(f"{name} {100 * bound:.2g}" for name, bound in bounds.items())
            rows.append((*_run_cells(run), category, text))
    columns = ("Protocol", "Task", "Method", "Seed", "Category", "Off by at most, in percent")
    return Grid("Pixel metrics from binned scores", columns, rows, len(columns))


def unreadable(runs: Sequence[RunRecord]) -> Grid:
    """Count test images that could not be read, by task; all runs of a task read the same images."""
    tasks = {(r.row["protocol"], r.row["task"]): r.row for r in runs if r.row["unreadable"]}
    rows = [
        (*task, str(row["unreadable"]), str(row["good"] + row["anomalous"])) for task, row in tasks.items()
    ]
    note = "They count in no metric."
    return Grid("Unreadable test images", ("Protocol", "Task", "Unreadable", "Read"), rows, 2, note=note)


def missing(runs: Sequence[RunRecord]) -> Grid:
    """List the runs that have no result, and why."""
    rows = [
        (*_run_cells(run), run.row["state"], run.row["error"] or MISSING) for run in runs if not run.is_done
    ]
    columns = ("Protocol", "Task", "Method", "Seed", "State", "Why it failed")
    return Grid("Runs without a result", columns, rows, len(columns))


def shortfalls(all_series: Sequence[RunSeries]) -> Grid:
    """State what each series lacks of the paper."""
    rows = [(series.protocol, series.label, shortfall_of_series(series)) for series in all_series]
    columns = ("Protocol", "Method", "Ours (the paper's)")
    return Grid("Not as in the papers", columns, [row for row in rows if row[-1]], 3)


def settings(all_series: Sequence[RunSeries]) -> Grid:
    """List the settings of each series."""
    rows = [
        (
            series.protocol,
            series.label,
            ", ".join(map(str, series.seeds)),
            json.dumps(series.settings, sort_keys=True),
        )
        for series in all_series
    ]
    return Grid("Settings", ("Protocol", "Method", "Seeds", "Settings"), rows, 4)


def environments(runs: Iterable[RunRecord]) -> Grid:
    """Count the runs by the versions and the machine they were made with."""
    counts = Counter(tuple(_cell(run.row[name]) for name in _ENVIRONMENT) for run in runs if run.is_done)
    rows = [(*cells, str(count)) for cells, count in counts.items()]
    return Grid("Versions and machines", (*_ENVIRONMENT.values(), "Runs"), rows, len(_ENVIRONMENT))


def sources(summary: Sequence[SummaryRow]) -> Grid:
    """List where published numbers are printed."""
    rows = dict.fromkeys((row.method, row.source) for row in summary if row.kind == "published")
    return Grid("Sources of published numbers", ("Method", "Source"), list(rows), 2)


def definitions(grids: Sequence[Grid]) -> dict[str, str]:
    """Collect the definitions of the numbers in some tables, by their headings."""
    return {name: text for grid in grids for name, text in grid.definitions.items()}


def _present(keys: Iterable[str], used: Iterable[str]) -> tuple[str, ...]:
    used = set(used)
    return tuple(key for key in keys if key in used)


def _run_cells(run: RunRecord) -> tuple[str, ...]:
    return tuple(str(run.row[name]) for name in ("protocol", "task", "method", "seed"))


def _cell(value: Any) -> str:
    return MISSING if value is None else str(value)
