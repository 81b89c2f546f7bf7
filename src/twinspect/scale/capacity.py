"""What scoring many images would take, by arithmetic alone: from what was measured on a few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

KEYS_A_REQUEST: Final = 1000
"""Names that an object store gives in one answer to a listing, at most; so it is with S3 and those like it."""
SECONDS_A_REQUEST: Final = 0.15
"""That such an answer is assumed to take."""

How = Literal["measured", "computed", "assumed", "asked"]
Limit = Literal["decoding", "model", "bandwidth", "listing"]


@dataclass(frozen=True)
class Measures:
    """What was measured here, all times in seconds and all sizes in bytes.

    Attributes:
        decode: to read and decode one image by one core.
        each: that a worker takes for one image, from file to decision.
        here: images a second of one process with all cores.
        start: until a worker has loaded the model.
        memory: most resident memory of a worker.
        cores: of this machine.
        worker_cores: that a worker uses.
        worker_gpus: likewise.
        image_bytes: of one file.
        row_bytes: that one more row adds to a part of the results.
        part_bytes: of a part without rows.
        part_rows: of a part.
        listing: to list one image.
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
class Wish:
    """What is asked.

    Attributes:
        images: how many are to be scored.
        workers: that there are; ``None`` for as many as are needed.
        hours: within which they are to be scored; ``None`` for no limit.
        bandwidth: bytes a second that storage gives to all workers together; ``None`` where nothing is known of it.
        listing: seconds to list one image, if it is not as it was measured here: of an object store.
    """

    images: int
    workers: int | None = None
    hours: float | None = None
    bandwidth: float | None = None
    listing: float | None = None


@dataclass(frozen=True)
class Estimate:
    """What it would take; times in seconds, sizes in bytes.

    Attributes:
        workers: that do it.
        cores: that they use.
        gpus: likewise.
        seconds: from the start to the last row.
        in_time: whether that is within the hours asked for.
        core_seconds: of all cores together, decoding, network and start included.
        here: seconds by one process with all cores of this machine.
        listing: seconds before the first image.
        transfer: seconds that moving the images takes at least; 0 where nothing is known of the bandwidth.
        compute: seconds of the workers.
        rate: images a second while images are scored.
        bandwidth: bytes a second that the workers read.
        memory: of all workers.
        read: bytes of all images.
        stored: bytes of all rows.
        parts: files that hold them.
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


def estimate(measured: Measures, wish: Wish) -> Estimate:
    """Say what scoring takes.

    Listing comes first and is one process's; then workers share the images, and are as fast as they compute or as
    their storage gives, whichever is slower; each starts once. No worker is idle and none dies.

    Args:
        measured: on a few of the images.
        wish: the rest.
    """
    listing = wish.images * (measured.listing if wish.listing is None else wish.listing)
    read = wish.images * measured.image_bytes
    transfer = read / wish.bandwidth if wish.bandwidth else 0.0
    work = wish.images * measured.each
    workers = wish.workers or _needed(work, transfer, listing + measured.start, wish.hours)
    compute = work / workers
    scoring = max(compute, transfer)
    seconds = listing + measured.start + scoring
    rate = wish.images / scoring if scoring else 0.0
    parts = math.ceil(wish.images / measured.part_rows)
    return Estimate(
        workers=workers,
        cores=workers * measured.worker_cores,
        gpus=workers * measured.worker_gpus,
        seconds=seconds,
        in_time=wish.hours is None or seconds <= wish.hours * 3600,
        core_seconds=(work + workers * measured.start) * measured.worker_cores,
        here=wish.images / measured.here,
        listing=listing,
        transfer=transfer,
        compute=compute,
        rate=rate,
        bandwidth=rate * measured.image_bytes,
        memory=workers * measured.memory,
        read=read,
        stored=wish.images * measured.row_bytes + parts * measured.part_bytes,
        parts=parts,
        limit=_limit(measured, listing, transfer, compute),
    )


def listing_of_a_store() -> float:
    """Say how long an object store is assumed to take to list one image.

    >>> listing_of_a_store() * 1_000_000
    150.0
    """
    return SECONDS_A_REQUEST / KEYS_A_REQUEST


def _needed(work: float, transfer: float, before: float, hours: float | None) -> int:
    """Count the workers that are done in time; where time or bandwidth does not do, those beyond which none helps."""
    if hours is None:
        return 1
    left = max(hours * 3600 - before, transfer, 1.0)
    return max(1, math.ceil(work / left))


def _limit(measured: Measures, listing: float, transfer: float, compute: float) -> Limit:
    if listing > max(transfer, compute):
        return "listing"
    if transfer > compute:
        return "bandwidth"
    return "decoding" if measured.decode > measured.each / 2 else "model"
