"""`twinspect score`: a table of scores, row by row, that resumes where it was interrupted."""

from __future__ import annotations

import os
import shlex
import sys
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.bundle.calibration_history import ROI
from twinspect.bundle.folder import model_key, read_model_record
from twinspect.cli import score_engine
from twinspect.cli.console import counted, warn
from twinspect.cli.model_loading import load_chosen, runtime_of_key
from twinspect.cli.outcome import Outcome, code_of
from twinspect.cli.part_table import check_part_table, check_parts_known, decide_parts
from twinspect.cli.score_files import CsvTable, TableOwner, open_table
from twinspect.cli.score_pictures import (
    PICTURES,
    ScorePictures,
    check_coco,
    check_regions,
    region_rules,
    write_coco,
)
from twinspect.data import open_data
from twinspect.data.listing import path_key
from twinspect.data.samples import DataSet
from twinspect.errors import ConfigError, DataError
from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.inference.score_summary import (
    count_anomalous,
    count_not_inspectable,
    count_unreadable,
    count_verdicts,
    summarize,
)
from twinspect.inference.score_table import to_row
from twinspect.loading import TORCH
from twinspect.regions.finding import RegionRules
from twinspect.regions.scope import Scope, check_same_region
from twinspect.utils.locks import single_writer
from twinspect.utils.progress_bar import Bar
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from twinspect.cli.score_files import ScoreTable
    from twinspect.data.samples import Sample
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.score_table import Row


def run(options: argparse.Namespace) -> Outcome:
    """Score images into a table, or to standard output if none is named; or into shards, with --engine."""
    if options.roi is not None:
        record = read_model_record(Path(options.model))
        check_same_region(Scope.from_record(record.get(ROI)), options.roi, options.model)
    region_rules(options)  # refused before a model is loaded
    check_coco(options)
    check_part_table(options)
    if score_engine.is_requested(options):
        return score_engine.run(options)
    if options.out is None:
        return _score_and_print(options)
    table = open_table(Path(options.out))
    _refuse_input(table.path, options.images)
    with single_writer(table.path):
        runtime = _runtime_of_rows(table, options)
        detector, images, refused = _open(options, runtime)
        rows = _into_table(table, detector, images, options)
        _write_coco(rows, images, options)
    text = f"{options.out}: {count_verdicts(rows)}"
    in_words, record = decide_parts(rows, detector.calibration_, options)
    text += f", {in_words}" if in_words else ""
    result = {"out": options.out, "runtime": detector.export_name or TORCH, **record}
    return _outcome(rows, refused, options, text, result)


def _runtime_of_rows(table: ScoreTable, options: argparse.Namespace) -> str | None:
    """Name the runtime that a table was begun with, unless one is named now: its rows come from one alone."""
    owner = TableOwner(table.path, "")
    if options.runtime is not None or options.overwrite or not owner.path.is_file():
        return None
    return runtime_of_key(Path(options.model), owner.read_key())


def _open(options: argparse.Namespace, runtime: str | None = None) -> tuple[BaseDetector, DataSet, list[str]]:
    """Load the model and list the images; what scores is also chosen by their number, unless it is given."""
    listed = cache(partial(_list_images, tuple(options.images)))
    detector = load_chosen(options, runtime, lambda: len(listed()[0]))
    check_regions(options, detector.calibration_)  # before a table is this command's
    check_parts_known(options.parts, lambda: any(sample.group for sample in listed()[0]))
    return (detector.set_params(workers=options.workers), *listed())


def _refuse_input(out: Path, images: Sequence[str]) -> None:
    """Refuse a table in place of a manifest that names the images."""
    places = {path_key(out), os.path.realpath(out)}
    for source in images:
        if places & {path_key(Path(source)), os.path.realpath(source)}:
            raise ConfigError(f"--out {out} is one of the inputs; choose another file")


def _score_and_print(options: argparse.Namespace) -> Outcome:
    """Score into standard output: for a person where that is a terminal, otherwise as CSV."""
    detector, images, refused = _open(options)
    pictures = ScorePictures.of(options, detector, images)
    rows = list(_score(images, pictures, options, start=0))
    _write_coco(rows, images, options)
    if sys.stdout.isatty() and not options.json:
        text = summarize(rows, detector.calibration_)
    else:
        table = CsvTable(Path("-"))
        text = (table.header() + table.encode(rows)).rstrip("\n")
    in_words, record = decide_parts(rows, detector.calibration_, options)
    if in_words:
        warn(in_words)
    result = {"rows": rows, "runtime": detector.export_name or TORCH, **record}
    return _outcome(rows, refused, options, text, result)


def _into_table(
    table: ScoreTable, detector: BaseDetector, images: DataSet, options: argparse.Namespace
) -> list[Row]:
    """Append the missing rows; those that are there are kept, so no image is scored twice, but for errors."""
    key = model_key(Path(options.model), detector.export_name)
    rules = region_rules(options)
    owner = TableOwner(table.path, key, "" if rules == RegionRules() else repr(rules))
    if options.overwrite:
        table.clear()
        owner.path.unlink(missing_ok=True)
    owner.claim()
    found = table.rows()
    rows = _as_listed(found, images, options)
    if rows != found:
        table.replace(rows)
    pictures = ScorePictures.of(options, detector, images, rows)
    remaining, start = _remaining(images, rows)
    failed = _failed(rows, images, pictures)
    if rows:
        again = f", and {len(failed)} with an error or without a picture once more" if len(failed) else ""
        to_go = f"{counted(len(remaining) - start, 'image')} to go{again}"
        warn(f"{options.out}: {len(rows)} rows are there already, {to_go}")
    if len(failed):
        rows = _replace(table, rows, _score(failed, pictures, options, start=0))
    for new in _in_batches(_score(remaining, pictures, options, start=start)):
        table.append(new)
        rows.extend(new)
    table.finish()
    return rows


def _as_listed(rows: Sequence[Row], images: DataSet, options: argparse.Namespace) -> list[Row]:
    """Give rows that are there the parts that the images are now said to show, which change no score.

    Raises:
        DataError: an image is said to show another product, by whose threshold it was not judged.
    """
    listed = {spell(sample.address): sample for sample in images}
    renewed = []
    for row in rows:
        sample = listed.get(row["path"])
        category = spell(options.category or (sample.category if sample else ""))
        if sample and category not in ("", row["category"]):
            raise DataError(
                f"{options.out}: {row['path']} is a row of category {row['category']!r} there, and {category!r} now; "
                "choose another --out, or --overwrite"
            )
        renewed.append({**row, "part": spell(sample.group)} if sample and sample.group else row)
    return renewed


def _failed(rows: Sequence[Row], images: DataSet, pictures: ScorePictures) -> DataSet:
    """Find images whose row has an error, which may have been mended since, or that lack a picture."""
    known = {row["path"]: row for row in rows}
    pairs = [(sample, known.get(spell(str(sample.path)))) for sample in images]
    failed = [
        sample
        for sample, row in pairs
        if row and (row["is_anomalous"] is None or pictures.is_missing(sample, row))
    ]
    return images.with_samples(failed)


def _replace(table: ScoreTable, rows: list[Row], new: Iterable[Row]) -> list[Row]:
    """Put new rows in place of those of the same images, where either has an error; others only lacked a picture."""
    by_path = {row["path"]: row for row in new}
    pairs = [(row, by_path.get(row["path"], row)) for row in rows]
    replaced = [again if row["error"] or again["error"] else row for row, again in pairs]
    if replaced != rows:
        table.replace(replaced)
    return replaced


def _list_images(sources: Sequence[str]) -> tuple[DataSet, list[str]]:
    """List all images of all sources, each file once, and why sources that cannot be scored are left out.

    Raises:
        DataError: no source can be scored.
    """
    unique: dict[str, Sample] = {}
    refused = []
    for source in sources:
        try:
            data = open_data(source, split="test")
        except DataError as error:
            if len(sources) == 1:
                raise
            refused.append(str(error))
            continue
        for sample in data:
            unique.setdefault(path_key(sample.path), sample)
        if data.skipped:
            first = data.skipped[0]
            warn(
                f"{data.name}: {counted(len(data.skipped), 'file')} left out, for instance {first.path.name}: "
                f"{first.reason}; all of them: twinspect doctor {shlex.quote(source)} --list"
            )
    if not unique:
        raise DataError(f"none of the {len(sources)} arguments can be scored, the first being {refused[0]}")
    for reason in refused:
        warn(f"left out: {reason}")
    return DataSet(name="images", root=None, samples=tuple(unique.values())), refused


def _remaining(images: DataSet, rows: list[Row]) -> tuple[DataSet, int]:
    """Find what remains: the list and where to start in it, or only the images without a row."""
    done = [row["path"] for row in rows]
    paths = [spell(str(sample.path)) for sample in images]
    if paths[: len(done)] == done:  # the usual case, an interrupted run: repeat its batches exactly
        return images, len(done)
    known = set(done)
    left = [sample for sample, path in zip(images, paths, strict=True) if path not in known]
    return images.with_samples(left), 0


def _write_coco(rows: Sequence[Row], images: DataSet, options: argparse.Namespace) -> None:
    if options.coco is not None:
        write_coco(Path(options.coco), rows, images)


def _score(
    images: DataSet, pictures: ScorePictures, options: argparse.Namespace, *, start: int
) -> Iterator[Row]:
    results = pictures.detector.stream(
        images, maps=pictures.need_maps, start=start, category=options.category, regions=pictures.rules
    )
    not_inspectable: list[str] = []
    with Bar() as bar:
        for result in bar.watch("score", results, total=len(images) - start):
            row = to_row(result)
            row["error"] = row["error"] or pictures.write(result)
            yield row
            if result.not_inspectable:
                not_inspectable.append(f"{result.sample.address}: {result.not_inspectable}")
    if not_inspectable:
        warn(
            f"{len(not_inspectable)} images cannot be inspected, neither good nor anomalous; for instance "
            f"{not_inspectable[0]}"
        )


def _in_batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Group rows into batches, so that each reaches the disk as soon as it is computed."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == SCORE_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _outcome(
    rows: list[Row], refused: list[str], options: argparse.Namespace, text: str, result: dict[str, Any]
) -> Outcome:
    anomalous, unreadable = count_anomalous(rows), count_unreadable(rows)
    without_picture = sum(bool(row["error"]) for row in rows) - unreadable
    not_inspectable = count_not_inspectable(rows)
    record = {
        "images": len(rows),
        "anomalous": anomalous,
        "not_inspectable": not_inspectable,
        "with_regions": sum(bool(row["regions"]) for row in rows),
        "unreadable": unreadable,
        "left_out": refused,
    }
    if noticed := sum(bool(row["notice"]) for row in rows):
        warn(f"{noticed} of {len(rows)} images passed, but look at them; see the column 'notice'")
    if unreadable:
        warn(f"{unreadable} of {len(rows)} images could not be read; see the column 'error'")
    if without_picture:
        asked = " or ".join(name for name in PICTURES if getattr(options, name) is not None)
        warn(f"{without_picture} of {len(rows)} {asked} could not be written; see the column 'error'")
    failures = unreadable + without_picture + len(refused)
    code = code_of(anomalous, failures, not_inspectable, fail_on_anomaly=options.fail_on_anomaly)
    return Outcome(text, record | result, code)
