"""`twinspect evaluate`: every metric, a table of scores and one self-contained report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.cli.console import Bar, table
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.data import open_data
from twinspect.detector import load
from twinspect.report import write_evaluation

if TYPE_CHECKING:
    import argparse

    from twinspect.evaluation import Evaluation


def run(options: argparse.Namespace) -> Outcome:
    """Evaluate and write the results."""
    detector = load(options.model, device=options.device).set_params(workers=options.workers)
    data = open_data(options.data, split="test")
    with Bar() as bar:
        bar.start("evaluate", total=len(data.split("test")))
        found = write_evaluation(detector, data, Path(options.out), model=options.model, tick=bar.advance)
    return outcome(found, Path(options.out))


def outcome(found: Evaluation, out: Path) -> Outcome:
    """Say the main figures."""
    unreadable = sum(bool(row.error) for row in found.rows)
    lines = [*found.categories.items(), ("mean", found.mean), ("pooled", found.pooled)]
    shown = [key for key in found.mean if found.mean[key] is not None]
    text = table(("category", *shown), [(name, *[metrics[key] for key in shown]) for name, metrics in lines])
    record: dict[str, Any] = {"out": str(out), "unreadable": unreadable, **found.to_record()}
    return Outcome(f"{text}\n{out / 'report.html'}", record, SOME_UNREADABLE if unreadable else DONE)
