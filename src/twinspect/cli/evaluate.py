"""`twinspect evaluate`: every metric, a table of scores and one self-contained report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.cli.class_selection import chosen_data
from twinspect.cli.console import Bar, table
from twinspect.cli.model_loading import load_chosen
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.cli.score_files import CsvTable
from twinspect.data import open_data
from twinspect.evaluation.by_defect_type import DEFECT_TYPE_METRICS
from twinspect.evaluation.metric_row import mean_row
from twinspect.inference.score_table import to_row
from twinspect.report import write_evaluation

if TYPE_CHECKING:
    import argparse

    from twinspect.evaluation.by_defect_type import DefectTypeTable
    from twinspect.evaluation.evaluation import Evaluation

MOST_COLUMNS = 5


def run(options: argparse.Namespace) -> Outcome:
    """Evaluate and write the results."""
    detector = load_chosen(options).set_params(workers=options.workers)
    data = open_data(chosen_data(options, options.data), split="test")
    with Bar() as bar:
        bar.start("evaluate", total=len(data.split("test")))
        found = write_evaluation(
            detector,
            data,
            Path(options.out),
            model=options.model,
            tick=bar.advance,
            features=options.features,
        )
    write_scores(found, Path(options.out))
    return outcome(found, Path(options.out))


def write_scores(found: Evaluation, out: Path) -> None:
    """Write the table of scores beside the report."""
    scores = CsvTable(out / "scores.csv")
    scores.clear()
    scores.append([to_row(row) for row in found.rows])


def outcome(found: Evaluation, out: Path) -> Outcome:
    """Say the main figures."""
    unreadable = sum(bool(row.error) for row in found.rows)
    # Metrics run down and categories across, as far as a terminal is wide; the report shows them all.
    whole = list(found.full_categories.items())
    named = whole if len(whole) <= MOST_COLUMNS else []
    mean = found.mean | found.defect_types.mean | mean_row(list(found.objects.values()))
    columns = [*named, ("mean", mean), ("pooled", found.pooled)] if len(named) != 1 else named
    shown = [key for key, value in mean.items() if value is not None]
    rows = [(key, *[metrics.get(key) for _, metrics in columns]) for key in shown]
    text = table(("metric", *[name for name, _ in columns]), rows) + _kinds(found.defect_types)
    record: dict[str, Any] = {"out": str(out), "unreadable": unreadable, **found.to_record()}
    return Outcome(f"{text}\n{out / 'report.html'}", record, SOME_UNREADABLE if unreadable else DONE)


def _kinds(found: DefectTypeTable) -> str:
    """Say how well each kind of anomaly is found, on average over the categories that have it."""
    if not found.rows:
        return ""
    rows = [(label, *[line[key] for key in DEFECT_TYPE_METRICS]) for label, line in found.by_label.items()]
    return "\n\n" + table(("kind", *DEFECT_TYPE_METRICS), rows)
