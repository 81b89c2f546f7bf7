"""What a benchmark found: per category and on average, over seeds, beside what was published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from twinspect.benchmark.mean_std import MeanStd
from twinspect.benchmark.published import Published, published
from twinspect.evaluation.labelled_set import SCORE_NEEDS
from twinspect.metrics.definitions import metric_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.benchmark.records import Record, RunSeries, Values

MEAN: Final = "mean"
"""The line of the mean over all tasks, or over all categories of one model; published tables call it so, too."""
POOLED: Final = "pooled"
"""The line of all images of one model over several categories."""
SCORE_METRICS: Final = metric_keys(*SCORE_NEEDS)
"""The metrics that every test set has, where it has masks."""
TABLED: Final = (*SCORE_METRICS, *metric_keys("saturation rules", "object ids"))
"""The metrics that have a column where any line has a value of them."""


@dataclass(frozen=True)
class SummaryRow:
    """One line of the table of results.

    Attributes:
        protocol: that it follows.
        category: what was tested; ``mean`` or ``pooled``.
        method: the series, or the method as it is called in print.
        kind: whether it was measured here.
        cells: by metric, as fractions; a metric that is not defined has none.
        source: where it is printed, if it is published; else the teacher.
    """

    protocol: str
    category: str
    method: str
    kind: Literal["ours", "published"]
    cells: dict[str, MeanStd]
    source: str


def summary_rows(series: Sequence[RunSeries], beside: str | None = None) -> list[SummaryRow]:
    """List every line of the table, category by category, the means first, ours before what was published.

    Args:
        series: what was run.
        beside: show the numbers published on this protocol, instead of those of the protocol that was run.
    """
    found: list[SummaryRow] = []
    for protocol in dict.fromkeys(each.protocol for each in series):
        own = [line for each in series if each.protocol == protocol for line in _own(each)]
        categories = list(dict.fromkeys(line.category for line in own))
        printed = [_printed(protocol, each) for each in _grouped(published(beside or protocol))]
        shown = [line for line in [*own, *printed] if line.category in categories]
        found += sorted(shown, key=lambda line: (line.category != MEAN, categories.index(line.category)))
    return found


def _own(series: RunSeries) -> list[SummaryRow]:
    tasks = series.tasks
    names = [(task, category) for task, runs in tasks.items() for category in _categories(runs)]
    parts = [
        _line(
            series,
            category or task if len(tasks) == 1 else _joint(task, category),
            _of(tasks[task], category),
        )
        for task, category in names
    ]
    found = [_mean_line(series), *parts]
    if len(tasks) == 1 and len(parts) > 1:
        found.append(_line(series, POOLED, [run.pooled if run.is_done else None for run in series.runs]))
    return found


def _joint(task: str, category: str) -> str:
    return task if category in ("", task) else f"{task}: {category}"


def _categories(runs: Sequence[Record]) -> list[str]:
    """List what the runs of a task tested; of a task without results it is not known."""
    return sorted({category for run in runs for category in run.categories}) or [""]


def _of(runs: Iterable[Record], category: str) -> list[Values | None]:
    return [run.categories.get(category, {}) if run.is_done else None for run in runs]


def _mean_line(series: RunSeries) -> SummaryRow:
    """Average over the tasks, seed by seed; a seed of which a task is missing is missing."""
    return _line(series, MEAN, [_mean_of_seed(series, seed) for seed in series.seeds])


def _mean_of_seed(series: RunSeries, seed: int) -> Values | None:
    runs = [run for run in series.runs if run.row["seed"] == seed]
    if len(runs) < len(series.tasks) or not all(run.is_done for run in runs):
        return None
    having = {key: [run.mean[key] for run in runs if key in run.mean] for key in TABLED}
    return {key: sum(values) / len(values) for key, values in having.items() if values}


def _line(series: RunSeries, category: str, found: Sequence[Values | None]) -> SummaryRow:
    """Gather the values of each metric over the seeds; ``None`` stands for a run that is not done."""
    done = [values for values in found if values is not None]
    cells = {
        key: MeanStd(tuple(values[key] for values in done if key in values), len(found))
        for key in TABLED
        if any(key in values for values in done) or (not done and key in SCORE_METRICS)
    }
    return SummaryRow(
        series.protocol, category, series.label, "ours", cells, f"teacher {series.settings['teacher']}"
    )


def _grouped(numbers: Iterable[Published]) -> list[list[Published]]:
    groups: dict[tuple[str, str], list[Published]] = {}
    for number in numbers:
        groups.setdefault((number.category, number.method), []).append(number)
    return list(groups.values())


def _printed(protocol: str, numbers: Sequence[Published]) -> SummaryRow:
    first = numbers[0]
    cells = {number.metric: MeanStd((number.percent / 100,), 1) for number in numbers}
    source = f"{first.source} ({first.note})" if first.note else first.source
    return SummaryRow(protocol, first.category, first.method, "published", cells, source)
