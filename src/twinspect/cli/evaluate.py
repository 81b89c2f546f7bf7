"""`twinspect evaluate`: every metric, a table of scores and one self-contained report."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import astuple, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.cli.class_selection import select_classes
from twinspect.cli.console import table, warn
from twinspect.cli.model_loading import load_chosen
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.cli.score_files import CsvTable
from twinspect.data.summary import summarize
from twinspect.evaluation.by_defect_type import DEFECT_TYPE_METRICS
from twinspect.evaluation.image_scores import count_regions
from twinspect.evaluation.labelled_set import open_test_set
from twinspect.evaluation.metric_row import mean_row
from twinspect.inference.score_table import to_row
from twinspect.loading import TORCH
from twinspect.report import write_evaluation
from twinspect.report.evaluation_report import FILES, make_folder
from twinspect.training.loggers import logged
from twinspect.utils.files import write_atomically
from twinspect.utils.json_values import without_nan
from twinspect.utils.locks import single_writer
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence

    from twinspect.data.samples import DataSet
    from twinspect.evaluation.by_defect_type import DefectTypeTable
    from twinspect.evaluation.by_object import ObjectErrors
    from twinspect.evaluation.evaluation import Evaluation
    from twinspect.evaluation.region_tally import RegionTable
    from twinspect.evaluation.shifts import ShiftResult
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.training.loggers import RunLog

SCORES, COMPARISON = "scores.csv", "comparison.json"
MOST_COLUMNS = 5
"""Categories that the terminal shows side by side; of more only the mean is shown."""


def run(options: argparse.Namespace) -> Outcome:
    """Evaluate and write the results."""
    opened = cache(partial(_open, options))
    runtime = TORCH if options.features and options.runtime is None else None  # exports give no features
    detector = load_chosen(options, runtime, lambda: len(opened().split("test")))
    detector, data = detector.set_params(workers=options.workers), opened()
    out = Path(options.out)
    make_folder(out)
    name = f"{Path(options.model).stem} on {data.name}"
    with single_writer(out / SCORES), Bar() as bar, logged(options.log, name, say=warn) as log:
        bar.start("evaluate", total=len(data.split("test")))
        evaluation = write_evaluation(
            detector,
            data,
            out,
            model=options.model,
            tick=bar.advance,
            features=options.features,
            shifts=options.shifts,
            held_out=options.held_out,
        )
        write_scores(evaluation, out)
        compared = _compare(options, detector, data, out)
        if log:
            _log(log, detector, evaluation, out)
    for sentence in evaluation.overlap.sentences():
        warn(sentence)
    found = outcome(evaluation, out)
    found.record["runtime"] = detector.export_name or TORCH
    if compared is None:
        return found
    said = "\n".join(f"worse than {options.against}: {reason}" for reason in compared["reasons"])
    record = {**found.record, "comparison": compared}
    return replace(found, text=f"{said}\n{found.text}" if said else found.text, record=record)


def _compare(
    options: argparse.Namespace, detector: BaseDetector, data: DataSet, out: Path
) -> dict[str, Any] | None:
    """Compare with the version that the options name, if they do, and write what was found."""
    if options.against is None:
        return None
    from twinspect.training.version_results import compare_unlearnt

    options = Namespace(**{**vars(options), "model": options.against})
    old = load_chosen(options, None, lambda: len(data.split("test"))).set_params(workers=options.workers)
    compared = compare_unlearnt(old, detector, data.split("test"))
    write_atomically(out / COMPARISON, json.dumps(without_nan(compared), indent=1).encode())
    return compared


def _open(options: argparse.Namespace) -> DataSet:
    data = open_test_set(select_classes(options, options.data, split="test"))
    warn(summarize(data))
    return data


def _log(log: RunLog, detector: BaseDetector, evaluation: Evaluation, out: Path) -> None:
    """Tell trackers of the metrics, and keep what was written with them."""
    log.begin({"method": detector.method_name})
    log.fitted(detector)
    log.finds(detector)
    log.metrics(evaluation.pooled)
    if len(evaluation.categories) > 1:
        log.metrics({f"mean/{key}": value for key, value in evaluation.mean.items()})
    for name in FILES:
        log.artefact(out / name)


def write_scores(evaluation: Evaluation, out: Path) -> None:
    """Write the table of scores beside the report."""
    table = CsvTable(out / SCORES)
    rows = table.encode([to_row(image) for image in evaluation.rows])
    write_atomically(table.path, (table.header() + rows).encode("utf-8"))


def outcome(evaluation: Evaluation, out: Path) -> Outcome:
    """Tabulate the main metrics: they run down and categories across, as far as a terminal is wide."""
    unreadable = sum(bool(image.error) for image in evaluation.rows)
    regions = evaluation.regions
    categories = [
        (name, row | regions.rows.get(name, {})) for name, row in evaluation.full_categories.items()
    ]
    mean = evaluation.mean | evaluation.defect_types.mean | mean_row(list(evaluation.objects.values()))
    mean |= regions.mean
    columns = categories
    if len(categories) != 1:
        few = categories if len(categories) <= MOST_COLUMNS else []
        columns = [*few, ("mean", mean), ("pooled", evaluation.pooled | regions.pooled)]
    shown = [key for key, value in mean.items() if value is not None]
    rows = [(key, *[metrics.get(key) for _, metrics in columns]) for key in shown]
    text = table(("metric", *[name for name, _ in columns]), rows) + _defect_types(evaluation.defect_types)
    text += _shifts(evaluation.shifts)
    if not_inspectable := sum(bool(image.not_inspectable) for image in evaluation.rows):
        text += f"\n{not_inspectable} of {len(evaluation.rows)} images are not inspectable and were not decided on"
    text += _parts(evaluation.object_errors.values())
    text += _regions(count_regions(evaluation.rows)) + _defects(regions)
    if evaluation.outside_roi:
        text += f"\n{evaluation.outside_roi} images with no defect in the region of interest were left out"
    record: dict[str, Any] = {"out": str(out), "unreadable": unreadable, **evaluation.to_record()}
    return Outcome(f"{text}\n{out / 'report.html'}", record, SOME_UNREADABLE if unreadable else DONE)


def _defect_types(defect_types: DefectTypeTable) -> str:
    """Tabulate the metrics of each defect type, on average over the categories that have it."""
    if not defect_types.rows:
        return ""
    rows = [
        (label, *[metrics[key] for key in DEFECT_TYPE_METRICS])
        for label, metrics in defect_types.by_label.items()
    ]
    return "\n\n" + table(("kind", *DEFECT_TYPE_METRICS), rows)


def _parts(errors: Collection[ObjectErrors]) -> str:
    """Count wrong decisions on parts that several images show; nothing where no image says which it shows."""
    if not errors:
        return ""
    alarms, good, misses, anomalous, undecided = map(sum, zip(*map(astuple, errors), strict=True))
    text = f"\nparts: {alarms} of {good} good ones called anomalous, {misses} of {anomalous} anomalous ones missed"
    return f"{text}, {undecided} not inspectable" if undecided else text


def _regions(counts: dict[str, int]) -> str:
    """Say how many images show a region, and where that is not what was decided; nothing if none were looked for."""
    if not counts:
        return ""
    return (
        f"\nregions in {counts['good_with_region']} of {counts['good']} good images and in "
        f"{counts['anomalous_with_region']} of {counts['anomalous']} defective ones; "
        f"{counts['flagged_without_region']} images called anomalous by their score show none, "
        f"{counts['passed_with_region']} that passed show one"
    )


def _defects(regions: RegionTable) -> str:
    """Say how many defects show in a region, and from which size on; nothing where none were looked for."""
    recall, largest = regions.found.recall, regions.found.of_largest
    if largest is None:
        return ""
    low, high = (round(100 * end) for end in recall.interval)
    area = regions.found.found_from
    size = (
        f"{largest.hit} of the {largest.defects} largest, so there is no size from which on 9 of 10 are found"
        if area is None
        else f"9 of 10 or more of those from {area:.0f} px of area on"
    )
    return f"\n{recall.hit} of {recall.defects} defects show in a region (95 % interval {low} to {high} %), {size}"


def _shifts(results: Sequence[ShiftResult]) -> str:
    """Tabulate the errors under each change of the images; nothing if none was tried."""
    if not results:
        return ""
    rows = [
        (
            result.shift.name,
            f"{result.false_alarms} of {result.good}",
            f"{result.misses} of {result.defective}",
            result.not_inspectable,
            result.image_auroc,
        )
        for result in results
    ]
    return "\n\n" + table(("shift", "false alarms", "misses", "not inspectable", "image_auroc"), rows)
