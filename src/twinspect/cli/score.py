"""`twinspect score`: a table of scores, row by row, that resumes where it was interrupted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.bundle.folder import model_key
from twinspect.cli import score_engine
from twinspect.cli.console import Bar, warn
from twinspect.cli.model_loading import load_chosen
from twinspect.cli.outcome import Outcome, code_of
from twinspect.cli.score_files import CsvTable, TableOwner, open_table
from twinspect.data import open_data
from twinspect.data.samples import DataSet
from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.inference.score_table import to_row
from twinspect.report.heatmaps import write_map

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore
    from twinspect.inference.score_table import Row


def run(options: argparse.Namespace) -> Outcome:
    """Score images into a table, or to standard output if none is named; or into shards, with --engine."""
    if score_engine.is_requested(options):
        return score_engine.run(options)
    detector = load_chosen(options).set_params(workers=options.workers)
    images = _list_images(options.images)
    if options.out is None:
        rows = [to_row(result) for result in _score(detector, images, options, start=0)]
        table = CsvTable(Path("-"))
        return _outcome(rows, options, text=(table.header() + table.encode(rows)).rstrip("\n"), shown=rows)
    rows = _into_table(detector, images, options)
    return _outcome(rows, options, text="", shown=None)


def _into_table(detector: BaseDetector, images: DataSet, options: argparse.Namespace) -> list[Row]:
    """Append the missing rows; those that are there are kept, so no image is scored twice."""
    table = open_table(Path(options.out))
    owner = TableOwner(table.path, model_key(Path(options.model), detector.export_name))
    if options.overwrite:
        table.clear()
        owner.path.unlink(missing_ok=True)
    owner.claim()
    rows = table.rows()
    remaining, start = _remaining(images, rows)
    if rows:
        warn(f"{options.out}: {len(rows)} rows are there already, {len(remaining) - start} images to go")
    for batch in _in_batches(_score(detector, remaining, options, start=start)):
        new = [to_row(result) for result in batch]
        table.append(new)
        rows.extend(new)
    table.finish()
    return rows


def _list_images(sources: Iterable[str]) -> DataSet:
    """List all images of all sources, each file once."""
    data_sets = [open_data(source, split="test") for source in sources]
    for data in data_sets:
        if data.skipped:
            first = data.skipped[0]
            warn(
                f"{data.name}: {len(data.skipped)} files left out, for instance {first.path.name}: {first.reason}"
            )
    unique = {str(sample.path): sample for data in data_sets for sample in data}
    return DataSet(name="images", root=None, samples=tuple(unique.values()))


def _remaining(images: DataSet, rows: list[Row]) -> tuple[DataSet, int]:
    """Find what remains: the list and where to start in it, or only the images without a row."""
    done = [row["path"] for row in rows]
    paths = [str(sample.path) for sample in images]
    if paths[: len(done)] == done:  # the usual case, an interrupted run: repeat its batches exactly
        return images, len(done)
    known = set(done)
    return images.with_samples([sample for sample in images if str(sample.path) not in known]), 0


def _score(
    detector: BaseDetector, images: DataSet, options: argparse.Namespace, *, start: int
) -> Iterator[ImageScore]:
    folder = Path(options.maps) if options.maps else None
    results = detector.stream(images, maps=folder is not None, start=start, category=options.category)
    names = _map_names(images)
    refused: list[str] = []
    with Bar() as bar:
        for result in bar.watch("score", results, total=len(images) - start):
            if folder and result.map is not None:
                path = folder / f"{names[result.sample.path]}.{options.map_format}"
                write_map(path, result, detector.calibration_.map_range, bits=detector.bits)
            yield result
            if result.not_inspectable:
                refused.append(f"{result.sample.address}: {result.not_inspectable}")
    if refused:
        warn(
            f"{len(refused)} images cannot be inspected, neither good nor anomalous; for instance {refused[0]}"
        )


def _map_names(images: DataSet) -> dict[Path, str]:
    """Name each map after its image and the folders above it; by its full path where two names would be equal."""
    stems = {sample.path: str(Path(sample.name).with_suffix("")) for sample in images}
    counts = Counter(stems.values())
    return {
        path: stem if counts[stem] == 1 else path.resolve().relative_to(path.resolve().anchor).as_posix()
        for path, stem in stems.items()
    }


def _in_batches(results: Iterator[ImageScore]) -> Iterator[list[ImageScore]]:
    """Group results into batches, so that each reaches the disk as soon as it is computed."""
    batch: list[ImageScore] = []
    for result in results:
        batch.append(result)
        if len(batch) == SCORE_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _outcome(rows: list[Row], options: argparse.Namespace, text: str, shown: list[Row] | None) -> Outcome:
    anomalous = sum(row["is_anomalous"] is True for row in rows)
    unreadable = sum(bool(row["error"]) for row in rows)
    not_inspectable = sum(row["inspectable"] is False for row in rows)
    record: dict[str, Any] = {
        "images": len(rows),
        "anomalous": anomalous,
        "not_inspectable": not_inspectable,
        "unreadable": unreadable,
    }
    record |= {"out": options.out} if shown is None else {"rows": shown}
    summary = f"{options.out}: {len(rows)} images, {anomalous} anomalous, {unreadable} unreadable"
    if not_inspectable:
        summary += f", {not_inspectable} not inspectable"
    if noticed := sum(bool(row["notice"]) for row in rows):
        warn(f"{noticed} of {len(rows)} images passed, but look at them; see the column 'notice'")
    if unreadable:
        warn(f"{unreadable} of {len(rows)} images could not be read; see the column 'error'")
    code = code_of(anomalous, unreadable, not_inspectable, fail_on_anomaly=options.fail_on_anomaly)
    return Outcome(text or summary, record, code)
