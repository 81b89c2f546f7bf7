"""The report as plain tables with notes, before anybody decides how they look."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.mean_std import MISSING, MeanStd
from twinspect.benchmark.summary import MEAN, POOLED, TABLED
from twinspect.metrics import COSTS, DEFINITIONS, FURTHER_DEFINITIONS
from twinspect.metrics.definitions import COST_TABLE, TITLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.benchmark.records import Record, RunSeries
    from twinspect.benchmark.summary import SummaryRow

MEANINGS: Final = DEFINITIONS | FURTHER_DEFINITIONS | COSTS
"""What each number of a report is."""
_COST_FACTORS: Final = {cost.key: cost.factor for cost in COST_TABLE}
_MADE_WITH: Final = {
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
    """One table.

    Attributes:
        title: what it shows.
        columns: the heads.
        rows: as many cells as there are heads; the first ones are words.
        words: how many columns, from the left, hold words.
        keys: the numbers whose definitions belong to it.
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
        """What each of its numbers is, by the head of its column."""
        return {TITLES[key]: MEANINGS[key] for key in self.keys}


def grids(series: Sequence[RunSeries], lines: Sequence[SummaryRow], beside: str | None = None) -> list[Grid]:
    """Lay out everything that is reported; tables without rows are left out.

    Args:
        series: what was run.
        lines: of the tables of results.
        beside: the protocol of the published numbers, where it is another one.
    """
    runs = [run for each in series for run in each.runs]
    protocols = list(dict.fromkeys(each.protocol for each in series))
    laid = [
        *[results(name, [line for line in lines if line.protocol == name], beside) for name in protocols],
        costs(series),
        binned(runs),
        unreadable(runs),
        missing(runs),
        settings(series),
        made_with(runs),
        sources(lines),
    ]
    return [grid for grid in laid if grid.rows]


def results(protocol: str, lines: Sequence[SummaryRow], beside: str | None = None) -> Grid:
    """Tabulate the metrics, in percent."""
    keys = _used(TABLED, (key for line in lines for key in line.cells))
    rows = [
        (
            line.category,
            line.method if line.kind == "ours" else f"{line.method}, published",
            *[line.cells.get(key, MeanStd((), 0)).words(100) for key in keys],
        )
        for line in lines
    ]
    columns = ("Category", "Method", *[TITLES[key] for key in keys])
    averaged = {line.category for line in lines if line.kind == "ours"} - {MEAN, POOLED}
    note = f"Our mean is over {len(averaged)}: {', '.join(sorted(averaged))}. {HOW_TO_READ}"
    if beside:
        note += f" They are those of protocol {beside}."
    return Grid(f"Protocol {protocol}: results in percent", columns, rows, 2, keys, note)


def costs(series: Sequence[RunSeries]) -> Grid:
    """Tabulate what a run of each series took, on average over its runs."""
    spreads = [{key: cost(each, key) for key in COSTS} for each in series]
    keys = _used(COSTS, (key for each in spreads for key, spread in each.items() if spread.values))
    rows = [
        (each.protocol, each.label, each.settings["teacher"], *[spread[key].words() for key in keys])
        for each, spread in zip(series, spreads, strict=True)
    ]
    columns = ("Protocol", "Method", "Teacher", *[TITLES[key] for key in keys])
    note = "Mean ± standard deviation over the runs of all tasks and seeds; (n of m) where some are not measured."
    return Grid("Time, memory and size of a run", columns, rows, 3, keys, note)


def cost(series: RunSeries, key: str) -> MeanStd:
    """Gather one kind of cost from all runs of a series, in the unit in which it is shown."""
    found = [run.row[key] * _COST_FACTORS[key] for run in series.runs if run.row[key] is not None]
    return MeanStd(tuple(found), len(series.runs))


def binned(runs: Sequence[Record]) -> Grid:
    """Say how far pixel metrics of many pixels may be off, by task."""
    rows = []
    for run in runs:
        for part, bounds in json.loads(run.row["error_bounds"] or "{}").items():
            words = ", ".join(f"{name} {100 * bound:.2g}" for name, bound in bounds.items())
            rows.append((*_place(run), part, words))
    columns = ("Protocol", "Task", "Method", "Seed", "Category", "Off by at most, in percent")
    return Grid("Pixel metrics from binned scores", columns, rows, len(columns))


def unreadable(runs: Sequence[Record]) -> Grid:
    """Count test images that could not be read, by task; all runs of a task read the same."""
    found = {(r.row["protocol"], r.row["task"]): r.row for r in runs if r.row["unreadable"]}
    rows = [
        (*place, str(row["unreadable"]), str(row["good"] + row["anomalous"])) for place, row in found.items()
    ]
    note = "They count in no metric."
    return Grid("Unreadable test images", ("Protocol", "Task", "Unreadable", "Read"), rows, 2, note=note)


def missing(runs: Sequence[Record]) -> Grid:
    """List the runs that have no result, and why."""
    rows = [(*_place(run), run.row["state"], run.row["error"] or MISSING) for run in runs if not run.is_done]
    columns = ("Protocol", "Task", "Method", "Seed", "State", "Why it failed")
    return Grid("Runs without a result", columns, rows, len(columns))


def settings(series: Sequence[RunSeries]) -> Grid:
    """Say everything that tells the series from one another."""
    rows = [
        (
            each.protocol,
            each.label,
            ", ".join(map(str, each.seeds)),
            json.dumps(each.settings, sort_keys=True),
        )
        for each in series
    ]
    return Grid("Settings", ("Protocol", "Method", "Seeds", "Settings"), rows, 4)


def made_with(runs: Iterable[Record]) -> Grid:
    """Count the runs by the machine and the version they were made with."""
    counted = Counter(tuple(_said(run.row[name]) for name in _MADE_WITH) for run in runs if run.is_done)
    rows = [(*found, str(number)) for found, number in counted.items()]
    return Grid("Versions and machines", (*_MADE_WITH.values(), "Runs"), rows, len(_MADE_WITH))


def sources(lines: Sequence[SummaryRow]) -> Grid:
    """Say where published numbers are printed."""
    found = dict.fromkeys((line.method, line.source) for line in lines if line.kind == "published")
    return Grid("Sources of published numbers", ("Method", "Source"), list(found), 2)


def definitions(laid: Sequence[Grid]) -> dict[str, str]:
    """Collect what each number in some tables is."""
    return {name: text for grid in laid for name, text in grid.definitions.items()}


def _used(keys: Iterable[str], there: Iterable[str]) -> tuple[str, ...]:
    known = set(there)
    return tuple(key for key in keys if key in known)


def _place(run: Record) -> tuple[str, ...]:
    return tuple(str(run.row[name]) for name in ("protocol", "task", "method", "seed"))


def _said(value: Any) -> str:
    return MISSING if value is None else str(value)
