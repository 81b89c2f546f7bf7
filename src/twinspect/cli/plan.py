"""`twinspect plan`: what scoring many images would take, and what limits it."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.time_left import format_duration
from twinspect.cli.console import Bar, table, warn
from twinspect.cli.model_loading import chosen_runtime
from twinspect.cli.outcome import Outcome
from twinspect.errors import ConfigError, DataError
from twinspect.inference.score_table import arrow_schema
from twinspect.loading import TORCH
from twinspect.scale.capacity import Estimate, How, Measures, Wish, estimate, listing_of_a_store
from twinspect.scale.listing import LeftOut, list_entries
from twinspect.scale.parquet import to_parquet
from twinspect.scale.throughput import Probe, ThroughputTask, measure
from twinspect.utils.even_sampling import evenly_spaced

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from twinspect.scale.work_items import WorkItem

SAMPLE: Final = 128
"""Images that are measured on, evenly spaced among those listed."""
MOST_LISTED: Final = 1_000_000
"""Images that are listed at most; of more the listing is measured, and --images says how many there are."""
PART_ROWS: Final = 512
"""Rows of a part of the results, as `score --engine` cuts them unasked."""
MB: Final = 1e6
SAYS: Final = {
    "decoding": "reading and decoding images: smaller files, or more cores",
    "model": "the model: a faster runtime (twinspect export), smaller --size, more cores or GPUs",
    "bandwidth": "the storage's bandwidth: more workers do not help",
    "listing": "listing images one after the other: a manifest, or .tar and .parquet files of many images each",
}


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        what: it is.
        value: in the unit.
        unit: of it.
        how: it was had.
    """

    what: str
    value: float
    unit: str
    how: How


def run(options: argparse.Namespace) -> Outcome:
    """Measure and compute."""
    _check(options)
    _warn_if_busy()
    entries, listing = _listed(options.images)
    if len(entries) == MOST_LISTED and options.number is None:
        raise ConfigError(f"there are {MOST_LISTED} images or more; say how many: --images N")
    measured = _measured(options, evenly_spaced(entries, SAMPLE), listing)
    wish = Wish(
        options.number or len(entries),
        options.workers or (None if options.hours else _here(measured)),
        options.hours,
        options.bandwidth and options.bandwidth * MB,
        listing_of_a_store() if options.store else None,
    )
    found = estimate(measured, wish)
    figures = [*_of_measures(measured), *_of_estimate(wish, found, options)]
    return Outcome(_text(wish, found, figures), _record(measured, wish, found, figures))


def _check(options: argparse.Namespace) -> None:
    for name, flag in {"number": "images"}.items() | {
        (n, n) for n in ("workers", "hours", "bandwidth", "seconds")
    }:
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ConfigError(f"--{flag} is {value}; allowed is more than 0")


def _warn_if_busy() -> None:
    """Say so where others compute here: what is measured is then too slow."""
    if not hasattr(os, "getloadavg"):  # Windows
        return
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        warn(
            f"this machine is busy (load {load:.1f} on {cores} cores): it would be faster than what is measured now"
        )


def _listed(sources: Sequence[str]) -> tuple[list[WorkItem], float]:
    """List images, and say how long one takes."""
    began, entries = time.perf_counter(), []
    for entry in list_entries(sources, LeftOut()):
        entries.append(entry)
        if len(entries) == MOST_LISTED:
            break
    if not entries:
        raise DataError(f"{', '.join(sources)}: no images; see: twinspect doctor DATA")
    return entries, (time.perf_counter() - began) / len(entries)


def _measured(options: argparse.Namespace, sample: Sequence[WorkItem], listing: float) -> Measures:
    runtime, cores = chosen_runtime(options), os.cpu_count() or 1
    gpu = runtime == TORCH and _is_on_gpu(options.device)
    with Bar() as bar:
        bar.start("measure", total=1 if gpu else 2)
        whole = measure(
            ThroughputTask(options.model, runtime, options.device, tuple(sample), cores, options.seconds)
        )
        bar.advance()
        one = whole
        if not gpu and cores > 1:
            one = measure(
                ThroughputTask(options.model, runtime, options.device, tuple(sample), 1, options.seconds)
            )
            bar.advance()
    return _measures(whole, one, cores, listing, gpu=gpu)


def _measures(whole: Probe, one: Probe, cores: int, listing: float, *, gpu: bool) -> Measures:
    schema = arrow_schema()
    empty, part = len(to_parquet([], schema)), len(to_parquet(one.rows, schema))
    return Measures(
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


def _here(measured: Measures) -> int:
    return 1 if measured.worker_gpus else measured.cores


def _of_measures(measured: Measures) -> list[Figure]:
    unit = "a GPU" if measured.worker_gpus else "one core"
    return [
        Figure("read and decode an image, one core", 1000 * measured.decode, "ms", "measured"),
        Figure(f"an image from file to decision, {unit}", 1000 * measured.each, "ms", "measured"),
        Figure(
            "of that all but decoding",
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


def _of_estimate(wish: Wish, found: Estimate, options: argparse.Namespace) -> list[Figure]:
    asked: How = "asked" if wish.workers and options.workers else "computed"
    return [
        Figure("workers", found.workers, "", asked),
        Figure("cores", found.cores, "", "computed"),
        Figure("GPUs", found.gpus, "", "computed"),
        Figure("time, from the first file listed to the last row", found.seconds / 3600, "h", "computed"),
        Figure("of that listing", found.listing / 3600, "h", "assumed" if options.store else "computed"),
        Figure("time by one process on this machine", found.here / 3600, "h", "computed"),
        Figure("work of all cores", found.core_seconds / 3600, "core-hours", "computed"),
        Figure("images scored", found.rate, "images/s", "computed"),
        Figure("read from storage", found.bandwidth / MB, "MB/s", "computed"),
        Figure("read in all", found.read / 1e9, "GB", "computed"),
        Figure("memory of all workers", found.memory / 1e9, "GB", "computed"),
        Figure(f"rows stored, in {found.parts} files", found.stored / 1e9, "GB", "computed"),
    ]


def _text(wish: Wish, found: Estimate, figures: Sequence[Figure]) -> str:
    rows = [(each.what, f"{each.value:.4g} {each.unit}".strip(), each.how) for each in figures]
    late = "" if found.in_time else f"\nthat is not within {wish.hours:g} h"
    if late and not wish.workers:
        late += ", however many workers there are"
    return (
        f"{table(('figure', 'value', 'how'), rows)}\n"
        f"{wish.images} images by {found.workers} workers: {format_duration(found.seconds)}\n"
        f"limited by {SAYS[found.limit]}{late}"
    )


def _record(measured: Measures, wish: Wish, found: Estimate, figures: Sequence[Figure]) -> dict[str, Any]:
    return {
        "measured": asdict(measured),
        "asked": asdict(wish),
        "estimate": asdict(found),
        "figures": [asdict(each) for each in figures],
    }
