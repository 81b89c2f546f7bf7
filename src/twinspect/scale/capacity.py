"""Estimating what scoring many images would take, by arithmetic from measurements on a few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

KEYS_A_REQUEST: Final = 1000
"""Most names in one response of an object store to a listing, with S3 and compatible ones."""
SECONDS_A_REQUEST: Final = 0.15
"""Assumed time of one such response."""

Provenance = Literal["measured", "computed", "assumed", "asked"]
Limit = Literal["decoding", "model", "bandwidth", "listing"]


@dataclass(frozen=True)
class Measurements:
    """What was measured on this machine; times in seconds, sizes in bytes.

    Attributes:
        decode: time to read and decode one image on one core.
        each: time of a worker for one image, from file to decision.
        here: images a second of one process with all cores.
        start: time until a worker has loaded the model.
        memory: peak resident memory of a worker.
        cores: cores of this machine.
        worker_cores: cores that a worker uses.
        worker_gpus: GPUs that a worker uses.
        image_bytes: size of one image file.
        row_bytes: size that one more row adds to a part of the results.
        part_bytes: size of a part without rows.
        part_rows: rows in a part.
        listing: time to list one image.
    """

    decode: float
    each: float
    here: float
    start: float
    memory: int
    cores: int
    worker_cores: int
    worker_gpus: int
    image_bytes: float
    row_bytes: float
    part_bytes: float
    part_rows: int
    listing: float


@dataclass(frozen=True)
class Workload:
    """How many images to score, and with what.

    Attributes:
        images: number of images.
        workers: number of workers; ``None`` for as many as are needed.
        hours: time limit; ``None`` for none.
        bandwidth: bytes a second that the storage delivers to all workers together; ``None`` if unknown.
        listing: seconds to list one image, if it differs from what was measured: of an object store.
    """

    images: int
    workers: int | None = None
    hours: float | None = None
    bandwidth: float | None = None
    listing: float | None = None


@dataclass(frozen=True)
class Estimate:
    """What the workload would take; times in seconds, sizes in bytes.

    Attributes:
        workers: number of workers.
        cores: cores of all workers.
        gpus: GPUs of all workers.
        seconds: time from the start to the last row.
        in_time: whether that is within the time limit.
        core_seconds: work of all cores together: decoding, network and start.
        here: time by one process with all cores of this machine.
        listing: time before the first image.
        transfer: least time to transfer the images; 0 if the bandwidth is unknown.
        compute: time in which the workers compute.
        rate: images a second while images are scored.
        bandwidth: bytes a second that the workers read.
        memory: memory of all workers.
        read: size of all images.
        stored: size of all rows.
        parts: number of files that hold the rows.
        limit: what takes most of the time.
    """

    workers: int
    cores: int
    gpus: int
    seconds: float
    in_time: bool
    core_seconds: float
    here: float
    listing: float
    transfer: float
    compute: float
    rate: float
    bandwidth: float
    memory: int
    read: float
    stored: float
    parts: int
    limit: Limit


def estimate(measured: Measurements, workload: Workload) -> Estimate:
    """Estimate what scoring takes.

    One process lists first; then workers share the images, and are as fast as they compute or as their storage
    delivers, whichever is slower; each starts once. No worker is idle and none dies.

    Args:
        measured: measurements on a few of the images.
        workload: what is to be scored.
    """
    listing = workload.images * (measured.listing if workload.listing is None else workload.listing)
    read = workload.images * measured.image_bytes
    transfer = read / workload.bandwidth if workload.bandwidth else 0.0
    work = workload.images * measured.each
    workers = workload.workers or _workers_needed(work, transfer, listing + measured.start, workload.hours)
    compute = work / workers
    scoring = max(compute, transfer)
    seconds = listing + measured.start + scoring
    rate = workload.images / scoring if scoring else 0.0
    parts = math.ceil(workload.images / measured.part_rows)
    return Estimate(
        workers=workers,
        cores=workers * measured.worker_cores,
        gpus=workers * measured.worker_gpus,
        seconds=seconds,
        in_time=workload.hours is None or seconds <= workload.hours * 3600,
        core_seconds=(work + workers * measured.start) * measured.worker_cores,
        here=workload.images / measured.here,
        listing=listing,
        transfer=transfer,
        compute=compute,
        rate=rate,
        bandwidth=rate * measured.image_bytes,
        memory=workers * measured.memory,
        read=read,
        stored=workload.images * measured.row_bytes + parts * measured.part_bytes,
        parts=parts,
        limit=_limit(measured, listing, transfer, compute),
    )


def object_store_listing_seconds() -> float:
    """Give the seconds that an object store is assumed to take to list one image.

    >>> object_store_listing_seconds() * 1_000_000
    150.0
    """
    return SECONDS_A_REQUEST / KEYS_A_REQUEST


def _workers_needed(work: float, transfer: float, before: float, hours: float | None) -> int:
    """Count the workers needed to be in time; if that is impossible, those beyond which more do not help."""
    if hours is None:
        return 1
    remaining = max(hours * 3600 - before, transfer, 1.0)
    return max(1, math.ceil(work / remaining))


def _limit(measured: Measurements, listing: float, transfer: float, compute: float) -> Limit:
    if listing > max(transfer, compute):
        return "listing"
    if transfer > compute:
        return "bandwidth"
    return "decoding" if measured.decode > measured.each / 2 else "model"
