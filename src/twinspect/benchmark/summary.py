"""The results of a benchmark: per category and on average, over seeds, beside published numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from twinspect.benchmark.mean_std import MeanStd
from twinspect.benchmark.published import PublishedNumber, published
from twinspect.evaluation.labelled_set import SCORE_NEEDS
from twinspect.metrics.definitions import metric_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.benchmark.records import MetricValues, RunRecord, RunSeries

MEAN: Final = "mean"
"""The category of the mean over all tasks, or over all categories of one model; as in published tables."""
POOLED: Final = "pooled"
"""The category of all images of one model over several categories."""
SCORE_METRICS: Final = metric_keys(*SCORE_NEEDS)
"""The metrics of raw scores and maps, which have a column even before there are results."""
REPORTED_METRICS: Final = (
    *SCORE_METRICS,
    *metric_keys("masks of single images", "saturation rules", "object ids"),
)
"""The metrics that have a column where any row has a value of them."""


@dataclass(frozen=True)
class SummaryRow:
    """A row of the table of results.

    Attributes:
        protocol: the protocol it follows.
        category: what was tested; ``mean`` or ``pooled``.
        method: the series, or the published name of the method.
        kind: measured here or published.
        cells: by metric, as fractions; an undefined metric has none.
        source: where it is printed, if it is published; else the teacher.
    """

    protocol: str
    category: str
    method: str
    kind: Literal["ours", "published"]
    cells: dict[str, MeanStd]
    source: str


def summary_rows(all_series: Sequence[RunSeries], beside: str | None = None) -> list[SummaryRow]:
    """List every row of the table, category by category, the means first, ours before published ones.

    Args:
        all_series: the runs.
        beside: show the numbers published on this protocol, instead of those of the protocol that was run.
    """
    rows: list[SummaryRow] = []
    for protocol in dict.fromkeys(series.protocol for series in all_series):
        ours = [row for series in all_series if series.protocol == protocol for row in our_rows(series)]
        categories = list(dict.fromkeys(row.category for row in ours))
        shown = [*ours, *published_rows(protocol, published(beside or protocol))]
        shown = [row for row in shown if row.category in categories]
        rows += sorted(shown, key=lambda row: (row.category != MEAN, categories.index(row.category)))
    return rows


def our_rows(series: RunSeries) -> list[SummaryRow]:
    """List the rows of a series: the mean, every category, and all images at once where they are several."""
    tasks = series.tasks
    parts = [
        _our_row(
            series,
            category or task if len(tasks) == 1 else _joint_name(task, category),
            _category_values(runs, category),
        )
        for task, runs in tasks.items()
        for category in _categories(runs)
    ]
    rows = [_mean_row(series), *parts]
    if len(tasks) == 1 and len(parts) > 1:
        rows.append(_our_row(series, POOLED, [run.pooled if run.is_done else None for run in series.runs]))
    return rows


def _joint_name(task: str, category: str) -> str:
    return task if category in ("", task) else f"{task}: {category}"


def _categories(runs: Sequence[RunRecord]) -> list[str]:
    """List the categories that the runs of a task tested; one without a name if there are no results yet."""
    return sorted({category for run in runs for category in run.categories}) or [""]


def _category_values(runs: Iterable[RunRecord], category: str) -> list[MetricValues | None]:
    return [run.categories.get(category, {}) if run.is_done else None for run in runs]


def _mean_row(series: RunSeries) -> SummaryRow:
    """Average over the tasks, seed by seed; a seed of which a task is missing is missing."""
    return _our_row(series, MEAN, [_mean_of_seed(series, seed) for seed in series.seeds])


def _mean_of_seed(series: RunSeries, seed: int) -> MetricValues | None:
    runs = [run for run in series.runs if run.row["seed"] == seed]
    if len(runs) < len(series.tasks) or not all(run.is_done for run in runs):
        return None
    by_metric = {key: [run.mean[key] for run in runs if key in run.mean] for key in REPORTED_METRICS}
    return {key: sum(values) / len(values) for key, values in by_metric.items() if values}


def _our_row(series: RunSeries, category: str, by_seed: Sequence[MetricValues | None]) -> SummaryRow:
    """Gather the values of each metric over the seeds; ``None`` stands for a run that is not done."""
    done = [values for values in by_seed if values is not None]
    cells = {
        key: MeanStd(tuple(values[key] for values in done if key in values), len(by_seed))
        for key in REPORTED_METRICS
        if any(key in values for values in done) or (not done and key in SCORE_METRICS)
    }
    return SummaryRow(
        series.protocol, category, series.label, "ours", cells, f"teacher {series.settings['teacher']}"
    )


def published_rows(protocol: str, numbers: Iterable[PublishedNumber]) -> list[SummaryRow]:
    """Gather published numbers into rows, one a category and method.

    Args:
        protocol: that the rows stand under.
        numbers: in the order of the rows.
    """
    groups: dict[tuple[str, str], list[PublishedNumber]] = {}
    for number in numbers:
        groups.setdefault((number.category, number.method), []).append(number)
    return [_published_row(protocol, group) for group in groups.values()]


def _published_row(protocol: str, numbers: Sequence[PublishedNumber]) -> SummaryRow:
    first = numbers[0]
    cells = {number.metric: MeanStd((number.percent / 100,), 1) for number in numbers}
    source = f"{first.source} ({first.note})" if first.note else first.source
    return SummaryRow(protocol, first.category, first.method, "published", cells, source)
