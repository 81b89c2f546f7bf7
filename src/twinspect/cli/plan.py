"""`twinspect plan`: what scoring many images would take, and what limits it."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.time_left import format_duration
from twinspect.cli.console import counted, table, warn
from twinspect.cli.model_loading import chosen_runtime
from twinspect.cli.outcome import Outcome
from twinspect.errors import ConfigError, DataError
from twinspect.inference.score_table import arrow_schema
from twinspect.loading import TORCH
from twinspect.scale.capacity import (
    Estimate,
    Measurements,
    Provenance,
    Workload,
    estimate,
    object_store_listing_seconds,
)
from twinspect.scale.listing import SkippedFiles, list_images
from twinspect.scale.parquet import to_parquet
from twinspect.scale.throughput import Throughput, ThroughputTask, measure_throughput
from twinspect.utils.even_sampling import evenly_spaced
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from twinspect.scale.work_items import WorkItem

SAMPLE: Final = 128
"""Images to measure on, evenly spaced among those listed."""
MOST_LISTED: Final = 1_000_000
"""Most images that are listed; if there are more, --images gives their number."""
PART_ROWS: Final = 512
"""Rows of a part of the results: the default of `score --engine`."""
MB: Final = 1e6
LIMITS: Final = {
    "decoding": "reading and decoding images: smaller files, or more cores",
    "model": "the model: a faster runtime (twinspect export), smaller --size, more cores or GPUs",
    "bandwidth": "the storage's bandwidth: more workers do not help",
    "listing": "listing images one after the other: a manifest, or .tar and .parquet files of many images each",
}


@dataclass(frozen=True)
class Figure:
    """One number of the answer.

    Attributes:
        what: what it is.
        value: its value, in the unit.
        unit: its unit.
        how: where it comes from.
    """

    what: str
    value: float
    unit: str
    how: Provenance


def run(options: argparse.Namespace) -> Outcome:
    """Measure on a few images, and estimate the rest."""
    _check(options)
    _warn_if_busy()
    items, listing = _list_images(options.images)
    if len(items) == MOST_LISTED and options.number is None:
        raise ConfigError(f"there are {MOST_LISTED} images or more; say how many: --images N")
    measured = _measure(options, evenly_spaced(items, SAMPLE), listing)
    workload = Workload(
        options.number or len(items),
        options.workers or (None if options.hours else _local_workers(measured)),
        options.hours,
        options.bandwidth and options.bandwidth * MB,
        object_store_listing_seconds() if options.store else None,
    )
    result = estimate(measured, workload)
    figures = [*_measured_figures(measured), *_estimated_figures(workload, result, options)]
    return Outcome(_text(workload, result, figures), _record(measured, workload, result, figures))


def _check(options: argparse.Namespace) -> None:
    for name, flag in {"number": "images"}.items() | {
        (n, n) for n in ("workers", "hours", "bandwidth", "seconds")
    }:
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ConfigError(f"--{flag} is {value}; allowed is more than 0")


def _warn_if_busy() -> None:
    """Warn if other processes compute here: measured times are then too long."""
    if not hasattr(os, "getloadavg"):  # Windows
        return
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        warn(f"this machine is busy (load {load:.1f} on {cores} cores): measured times are too long")


def _list_images(sources: Sequence[str]) -> tuple[list[WorkItem], float]:
    """List images, and measure the seconds that one takes."""
    began, items = time.perf_counter(), []
    for item in list_images(sources, SkippedFiles()):
        items.append(item)
        if len(items) == MOST_LISTED:
            break
    if not items:
        raise DataError(f"{', '.join(sources)}: no images; see: twinspect doctor DATA")
    return items, (time.perf_counter() - began) / len(items)


def _measure(options: argparse.Namespace, sample: Sequence[WorkItem], listing: float) -> Measurements:
    runtime, cores = chosen_runtime(options), os.cpu_count() or 1
    gpu = runtime == TORCH and _is_on_gpu(options.device)
    with Bar() as bar:
        bar.start("measure", total=1 if gpu else 2)
        whole = measure_throughput(
            ThroughputTask(options.model, runtime, options.device, tuple(sample), cores, options.seconds)
        )
        bar.advance()
        one = whole
        if not gpu and cores > 1:
            one = measure_throughput(
                ThroughputTask(options.model, runtime, options.device, tuple(sample), 1, options.seconds)
            )
            bar.advance()
    return _measurements(whole, one, cores, listing, gpu=gpu)


def _measurements(
    whole: Throughput, one: Throughput, cores: int, listing: float, *, gpu: bool
) -> Measurements:
    schema = arrow_schema()
    empty, part = len(to_parquet([], schema)), len(to_parquet(one.rows, schema))
    return Measurements(
        decode=one.decode,
        each=1 / one.rate,
        here=whole.rate,
        start=one.start,
        memory=one.memory,
        cores=cores,
        worker_cores=cores if gpu else 1,
        worker_gpus=int(gpu),
        image_bytes=one.bytes / len(one.rows),
        row_bytes=(part - empty) / len(one.rows),
        part_bytes=empty,
        part_rows=PART_ROWS,
        listing=listing,
    )


def _is_on_gpu(device: str) -> bool:
    from twinspect.utils.devices import choose_device

    return choose_device(device).type == "cuda"


def _local_workers(measured: Measurements) -> int:
    return 1 if measured.worker_gpus else measured.cores


def _measured_figures(measured: Measurements) -> list[Figure]:
    unit = "a GPU" if measured.worker_gpus else "one core"
    return [
        Figure("read and decode an image, one core", 1000 * measured.decode, "ms", "measured"),
        Figure(f"an image from file to decision, {unit}", 1000 * measured.each, "ms", "measured"),
        Figure(
            "of that, all but decoding",
            1000 * max(0.0, measured.each - measured.decode),
            "ms",
            "computed",
        ),
        Figure(
            f"one process, all {measured.cores} cores of this machine", measured.here, "images/s", "measured"
        ),
        Figure("an image's file", measured.image_bytes / 1000, "kB", "measured"),
        Figure("a row of the results", measured.row_bytes, "B", "measured"),
        Figure("start of a worker", measured.start, "s", "measured"),
        Figure("memory of a worker", measured.memory / MB, "MB", "measured"),
        Figure("listing 1000 images", 1000 * measured.listing, "s", "measured"),
    ]


def _estimated_figures(workload: Workload, result: Estimate, options: argparse.Namespace) -> list[Figure]:
    source: Provenance = "asked" if workload.workers and options.workers else "computed"
    return [
        Figure("workers", result.workers, "", source),
        Figure("cores", result.cores, "", "computed"),
        Figure("GPUs", result.gpus, "", "computed"),
        Figure("time, from the first file listed to the last row", result.seconds / 3600, "h", "computed"),
        Figure("of that, listing", result.listing / 3600, "h", "assumed" if options.store else "computed"),
        Figure("time by one process on this machine", result.here / 3600, "h", "computed"),
        Figure("work of all cores", result.core_seconds / 3600, "core-hours", "computed"),
        Figure("images scored", result.rate, "images/s", "computed"),
        Figure("read from storage", result.bandwidth / MB, "MB/s", "computed"),
        Figure("read in all", result.read / 1e9, "GB", "computed"),
        Figure("memory of all workers", result.memory / 1e9, "GB", "computed"),
        Figure(f"rows stored, in {result.parts} files", result.stored / 1e9, "GB", "computed"),
    ]


def _text(workload: Workload, result: Estimate, figures: Sequence[Figure]) -> str:
    rows = [(figure.what, f"{figure.value:.4g} {figure.unit}".strip(), figure.how) for figure in figures]
    warning = "" if result.in_time else f"\nthat is not within {workload.hours:g} h"
    if warning and not workload.workers:
        warning += ", however many workers there are"
    return (
        f"{table(('figure', 'value', 'how'), rows)}\n"
        f"{counted(workload.images, 'image')} by {counted(result.workers, 'worker')}: "
        f"{format_duration(result.seconds)}\n"
        f"limited by {LIMITS[result.limit]}{warning}"
    )


def _record(
    measured: Measurements, workload: Workload, result: Estimate, figures: Sequence[Figure]
) -> dict[str, Any]:
    return {
        "measured": asdict(measured),
        "asked": asdict(workload),
        "estimate": asdict(result),
        "figures": [asdict(figure) for figure in figures],
    }
