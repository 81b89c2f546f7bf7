"""The charts of a figure, drawn from the runs in the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from twinspect.benchmark.papers.drawings import lines, patch_panels
from twinspect.benchmark.papers.kept_patches import load_patches, patches_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from markupsafe import Markup

    from twinspect.benchmark.papers.table_plan import PlannedRow, TablePlan
    from twinspect.benchmark.records import RunRecord

RESIDUALS: Final = ("normal", "anomalous")
INTENSITY: Final = "amplify: intensity of residuals on {} patches"
"""What AAND measures along its stage I, under which name it keeps it."""
MAIN_METRIC: Final = "image_auroc"


def draw(
    plan: TablePlan, records: dict[str, RunRecord], out: Path, undrawn: dict[str, str]
) -> dict[str, Markup]:
    """Draw what a table draws, as far as its runs are done.

    Args:
        plan: of the table.
        records: of the runs by their keys.
        out: the folder of the store.
        undrawn: gets what cannot be drawn, each with the reason.

    Returns:
        Charts by what they show.

    Raises:
        MissingExtraError: scikit-learn is not installed, where features are laid out.
    """
    if plan.table.drawing == "patches":
        return _patches(plan, records, out, undrawn)
    if plan.table.drawing == "curves":
        return _curves(plan.rows, records)
    return _residuals(plan.rows, records) if plan.table.drawing else {}


def _patches(
    plan: TablePlan, records: dict[str, RunRecord], out: Path, undrawn: dict[str, str]
) -> dict[str, Markup]:
    """Draw the patches of every task, of the first seed alone."""
    charts = {}
    for row in plan.rows:
        first = min(run.detector.seed for run in row.runs)
        for run in (run for run in row.runs if run.detector.seed == first and records[run.key].is_done):
            name = f"{row.found.title}: {run.identity['task']}"
            levels, why = load_patches(patches_file(out, run.key))
            if levels:
                charts[name] = patch_panels(levels, name)
            else:
                undrawn[name] = why
    return charts


def _curves(rows: Sequence[PlannedRow], records: dict[str, RunRecord]) -> dict[str, Markup]:
    """Draw the image AUROC along each setting, a line a set."""
    charts = {}
    for setting in dict.fromkeys(row.arm.curve[0] for row in rows if row.arm.curve):
        by_set: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            value = _mean_auroc(records[run.key] for run in row.runs)
            if row.arm.curve and row.arm.curve[0] == setting and value is not None:
                by_set.setdefault(row.found.title, []).append((row.arm.curve[1], 100 * value))
        curves = [
            (title, [place for place, _ in points], [height for _, height in points])
            for title, points in by_set.items()
        ]
        if curves:
            charts[f"image AUROC along the {setting}"] = lines(curves, setting, "Image AUROC, percent")
    return charts


def _mean_auroc(runs: Iterable[RunRecord]) -> float | None:
    """Average over tasks and seeds; ``None`` until all are done."""
    runs = list(runs)
    values = [run.mean[MAIN_METRIC] for run in runs if MAIN_METRIC in run.mean]
    return sum(values) / len(values) if values and all(run.is_done for run in runs) else None


def _residuals(rows: Sequence[PlannedRow], records: dict[str, RunRecord]) -> dict[str, Markup]:
    """Draw how strong the residuals are along stage I, on normal and on abnormal patches, a chart a set."""
    charts = {}
    for row in rows:
        kept = [
            json.loads(records[run.key].row["curves"] or "{}") for run in row.runs if records[run.key].is_done
        ]
        curves = []
        for kind in RESIDUALS:
            each = [curves[INTENSITY.format(kind)] for curves in kept if INTENSITY.format(kind) in curves]
            if each:
                length = min(map(len, each))
                means = [sum(values[step] for values in each) / len(each) for step in range(length)]
                curves.append((f"{kind} patches", _places(row, length), means))
        if curves:
            name = f"intensity of the residuals, {row.found.title}"
            charts[name] = lines(curves, _unit(row), "intensity of the residuals")
    return charts


def _places(row: PlannedRow, count: int) -> list[float]:
    """Give where along stage I its measurements lie, the last one at its end."""
    epochs = row.runs[0].identity["config"]["amplify_epochs"] or 1
    return [epochs * (number + 1) / count for number in range(count)]


def _unit(row: PlannedRow) -> str:
    return "epochs of stage I" if row.runs[0].identity["config"]["amplify_epochs"] else "share of stage I"
