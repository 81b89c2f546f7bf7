"""The results as tables: a line a method, means over seeds; and which methods are best."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from beside.report import table
from budgets.cases import AUTO, OURS, Case
from budgets.sets import CLASSES, FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from budgets.store import Results

    Row = tuple[str, str, str, int | None]

FIGURES = ("image_auroc", "pixel_auroc", "aupro")
COSTS = ("seeds", "fit, s", "to a model, s", "CPU, s", "ms", "threads", "load")
NONE = "–"


def best_rows(results: Results, side: str, minutes: float, most: int) -> list[Row]:
    """Name the methods of a side with the highest mean image AUROC over the folders, each with its best teacher.

    Only those that were measured on as many folders as any are compared; ``auto`` is not, as it is one of them.
    """
    means: dict[Row, dict[str, float]] = {}
    for case in results:
        if (case.side, case.minutes, case.tile) != (side, minutes, None) or case.method == AUTO:
            continue
        if case.data in FOLDERS:
            means.setdefault(case.row, {})[case.data] = _mean(results, case, "image_auroc")
    whole = max(map(len, means.values()), default=0)
    ranked = sorted(
        (row for row in means if len(means[row]) == whole),
        key=lambda row: statistics.mean(means[row].values()),
        reverse=True,
    )
    by_method = {row[1]: row for row in reversed(ranked)}
    return [row for row in ranked if by_method[row[1]] == row][:most]


def _mean(results: Results, like: Case, figure: str) -> float:
    """Average a figure over the seeds of a case."""
    return statistics.mean(
        result[figure]
        for case, result in results.items()
        if (case.row, case.data, case.length) == (like.row, like.data, like.length)
    )


def tables(results: Results) -> list[str]:
    """Write one table for each length and kind of sets."""
    written = []
    for length in sorted({case.length for case in results}, key=_order):
        for kind, sets in (("parts", FOLDERS), ("classes", CLASSES)):
            of_length = {
                case: result
                for case, result in results.items()
                if case.length == length and case.data in sets
            }
            if of_length:
                written.append(f"{length}, {kind}:\n\n{_table(of_length, sets)}")
    return written


def _order(length: str) -> tuple[str, float]:
    number, _, unit = length.partition(" ")
    return unit, float(number)


def _table(results: Results, sets: Sequence[str]) -> str:
    present = [name for name in sets if any(case.data == name for case in results)]
    head = ["method", "teacher", *present, "mean", *COSTS]
    lines = []
    for row in sorted({case.row for case in results}, key=lambda row: (row[0] == OURS, *map(str, row))):
        of_row = {case: result for case, result in results.items() if case.row == row}
        lines.append([_label(row), row[2], *_cells(of_row, present), *_costs(of_row)])
    return table(head, lines)


def _label(row: Row) -> str:
    side, method, _, tile = row
    return " ".join([side, method, *([f"tiles of {tile} px"] if tile else [])])


def _cells(results: Results, sets: Sequence[str]) -> list[str]:
    """Fill in each set, and the mean over all of them where none is missing."""
    figures = {
        name: [_of_set(results, name, figure) for figure in FIGURES]
        for name in sets
        if any(case.data == name for case in results)
    }
    cells = [_together(figures[name]) if name in figures else NONE for name in sets]
    if len(figures) < len(sets):
        return [*cells, NONE]
    columns = zip(*figures.values(), strict=True)
    means = [[value for value in column if value is not None] for column in columns]
    return [*cells, _together([statistics.mean(values) if values else None for values in means])]


def _of_set(results: Results, name: str, figure: str) -> float | None:
    """Average a figure of a set over seeds; nothing where there are no masks."""
    values = [result[figure] for case, result in results.items() if case.data == name and figure in result]
    return statistics.mean(values) if values else None


def _together(figures: Iterable[float | None]) -> str:
    return " / ".join(f"{value:.1f}" for value in figures if value is not None)


def _costs(results: Results) -> list[str]:
    runs: list[dict[str, Any]] = list(results.values())
    names = ("seconds", "to_model", "cpu_seconds", "ms")
    costs = [f"{statistics.median(run[name] for run in runs):.0f}" for name in names]
    loads = [run["load"] for run in runs]
    seeds = len({case.seed for case in results})
    threads = "/".join(map(str, sorted({run["threads"] for run in runs})))
    return [str(seeds), *costs, threads, f"{min(loads):.1f} to {max(loads):.1f}"]
