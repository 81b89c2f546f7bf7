"""Measuring a worker in a process of its own: its start, memory and throughput."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.data.pixels import read_pixels
from twinspect.data.samples import DataSet
from twinspect.errors import DataError, ImageError
from twinspect.inference.score_table import Row, to_row
from twinspect.regions.finding import RegionRules
from twinspect.scale.model_transfer import export_name, load_model
from twinspect.scale.work_items import WorkItem, open_samples
from twinspect.utils import peak_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.data.samples import Sample
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables that libraries read when they are loaded."""
_WARM = 8
"""Images that are scored before timing starts: the first ones take longer."""


@dataclass(frozen=True)
class ThroughputTask:
    """What to measure.

    Attributes:
        model: the model folder.
        runtime: ``torch``, or an export's name.
        device: where to compute.
        items: images to score, over and over.
        threads: threads that compute; 1 also reads in the same thread, as a worker with one core would.
        seconds: how long to score.
    """

    model: str
    runtime: str
    device: str
    items: tuple[WorkItem, ...]
    threads: int
    seconds: float


@dataclass(frozen=True)
class Throughput:
    """What was measured; times in seconds, sizes in bytes.

    Attributes:
        start: time until a new process has loaded the model.
        decode: time to read and decode one image in one thread.
        rate: images a second, from file to decision.
        scored: number of images that the rate was measured on.
        memory: peak resident memory.
        bytes: size of all image files together.
        rows: row of each image in a score table.
    """

    start: float
    decode: float
    rate: float
    scored: int
    memory: int
    bytes: int
    rows: list[Row]


def measure_throughput(task: ThroughputTask) -> Throughput:
    """Measure in a new process.

    Raises:
        DataError: none of the images can be read.
        TwinspectError: the model cannot be loaded.
    """
    with (
        _thread_environment(task.threads),
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
    ):
        return pool.submit(_measure, task, time.time()).result()


def _measure(task: ThroughputTask, began: float) -> Throughput:
    peak_memory.reset()
    detector = _load(task)
    start = time.time() - began
    with open_samples(task.items) as samples:
        decode = _seconds_to_decode(samples, task.seconds / 4)
        rate, scored = _images_per_second(detector, samples, task.seconds)
        memory = peak_memory.resident_bytes() or 0
        found = detector.stream(_as_data(samples), maps=False, regions=RegionRules())
        rows = [to_row(result) for result in found]
        return Throughput(start, decode, rate, scored, memory, sum(map(_file_bytes, samples)), rows)


def _load(task: ThroughputTask) -> BaseDetector:
    model = Path(task.model)
    export = export_name(model, task.runtime)
    detector = load_model(model, device=task.device, export=export, threads=task.threads)
    return detector.set_params(workers=0) if task.threads == 1 else detector


def _seconds_to_decode(samples: Sequence[Sample], seconds: float) -> float:
    began, count = time.perf_counter(), 0
    for sample in itertools.cycle(samples):
        with suppress(ImageError):
            read_pixels(sample)
            count += 1
        taken = time.perf_counter() - began
        if taken > seconds:
            break
    if not count:
        raise DataError(f"none of {len(samples)} images can be read; see: twinspect doctor DATA")
    return taken / count


def _images_per_second(
    detector: BaseDetector, samples: Sequence[Sample], seconds: float
) -> tuple[float, int]:
    scores = _score_forever(detector, samples)
    for _ in range(_WARM):
        next(scores)
    began, scored = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < seconds or not scored:
        next(scores)
        scored += 1
    return scored / taken, scored


def _score_forever(detector: BaseDetector, samples: Sequence[Sample]) -> Iterator[ImageScore]:
    while True:
        yield from detector.stream(_as_data(samples), maps=False, regions=RegionRules())


def _file_bytes(sample: Sample) -> int:
    """Give the size of an image's file; 0 if it cannot be read."""
    try:
        return len(sample.content.read()) if sample.content else sample.path.stat().st_size
    except (OSError, ImageError):
        return 0


def _as_data(samples: Sequence[Sample]) -> DataSet:
    return DataSet("sample", None, tuple(samples))


@contextmanager
def _thread_environment(threads: int) -> Iterator[None]:
    """Make processes that are started inside the block compute in so many threads."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
