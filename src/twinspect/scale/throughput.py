"""Measuring what a worker does, in a process of its own: its start, its memory and its rate."""

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
from twinspect.scale.model_transfer import export_name, load_with
from twinspect.scale.work_items import WorkItem, opened
from twinspect.utils import peak_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.data.samples import Sample
    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.results import ImageScore

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What libraries read when they are loaded."""
_WARM = 8
"""Images that are scored before the clock runs: the first ones take longer."""


@dataclass(frozen=True)
class ThroughputTask:
    """What to measure.

    Attributes:
        model: the folder.
        runtime: what scores.
        device: where.
        entries: images to score, over and over.
        threads: that compute; 1 reads in the same thread, too, as a worker of one core would.
        seconds: to score for.
    """

    model: str
    runtime: str
    device: str
    entries: tuple[WorkItem, ...]
    threads: int
    seconds: float


@dataclass(frozen=True)
class Probe:
    """What was measured; in seconds and bytes.

    Attributes:
        start: from nothing until the model is loaded.
        decode: to read and decode one image by one thread.
        rate: images a second, from file to decision.
        scored: how many images that was measured on.
        memory: most resident memory.
        bytes: of all images' files together.
        rows: of each image, as tables hold them.
    """

    start: float
    decode: float
    rate: float
    scored: int
    memory: int
    bytes: int
    rows: list[Row]


def measure(task: ThroughputTask) -> Probe:
    """Measure in a fresh process.

    Raises:
        DataError: none of the samples can be read.
        TwinspectError: the model cannot be loaded.
    """
    with _environment(task.threads), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, task, time.time()).result()


def _measure(task: ThroughputTask, began: float) -> Probe:
    peak_memory.reset()
    judge = _loaded(task)
    start = time.time() - began
    with opened(task.entries) as samples:
        decode = _decoding(samples, task.seconds / 4)
        rate, scored = _rate(judge, samples, task.seconds)
        memory = peak_memory.resident_bytes() or 0
        rows = [to_row(result) for result in judge.stream(_data(samples), maps=False)]
        return Probe(start, decode, rate, scored, memory, sum(map(_size, samples)), rows)


def _loaded(task: ThroughputTask) -> BaseDetector:
    model = Path(task.model)
    export = export_name(model, task.runtime)
    judge = load_with(model, device=task.device, export=export, threads=task.threads)
    return judge.set_params(workers=0) if task.threads == 1 else judge


def _decoding(samples: Sequence[Sample], seconds: float) -> float:
    began, read = time.perf_counter(), 0
    for sample in itertools.cycle(samples):
        with suppress(ImageError):
            read_pixels(sample)
            read += 1
        taken = time.perf_counter() - began
        if taken > seconds:
            break
    if not read:
        raise DataError(f"none of {len(samples)} images can be read; see: twinspect doctor DATA")
    return taken / read


def _rate(judge: BaseDetector, samples: Sequence[Sample], seconds: float) -> tuple[float, int]:
    scores = _endless(judge, samples)
    for _ in range(_WARM):
        next(scores)
    began, scored = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < seconds or not scored:
        next(scores)
        scored += 1
    return scored / taken, scored


def _endless(judge: BaseDetector, samples: Sequence[Sample]) -> Iterator[ImageScore]:
    while True:
        yield from judge.stream(_data(samples), maps=False)


def _size(sample: Sample) -> int:
    """Count the bytes of an image's file; none where it cannot be had."""
    try:
        return len(sample.content.read()) if sample.content else sample.path.stat().st_size
    except (OSError, ImageError):
        return 0


def _data(samples: Sequence[Sample]) -> DataSet:
    return DataSet("sample", None, tuple(samples))


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Let a process that is begun inside the block compute in so many threads."""
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
