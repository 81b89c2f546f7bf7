r"""How far `score --engine ray` would scale, and what breaks first: measured where one machine can, simulated beyond.

    python benchmarks/weak_scaling.py --shards 500,2000 --each-ms 15

*Measured* here: seconds that Ray's driver takes for a shard (two actors that do nothing, handed shards as `score`
does), what it keeps of a shard, and how long it takes to list an image and to cut the plan. *Simulated*, event by
event and with a seed: 1 to 1000 workers, each with as much to do (weak scaling), that share one driver, and
one prefix of an object store with S3's documented rates. A shard's images are read while others are scored; the time
of a shard varies by a tenth.

*Efficiency* is the time that one worker would take for its share, divided by the time that all take for all. It is
given without and with what comes before the first image is scored, which is the driver's alone.
"""

from __future__ import annotations

import argparse
import heapq
import logging
import os
import random
import resource
import tempfile
import time
import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twinspect.scale.ray_engine import MOST_BLOCKS
from twinspect.scale.shard import ShardSummary
from twinspect.scale.shard_plan import WRITERS

GETS, PUTS, KEYS = 5500.0, 3500.0, 1000
"""Requests a second that S3 documents for a prefix, and names in one answer to a listing."""
WORKERS = (1, 3, 10, 30, 100, 300, 1000)
IMAGES = 512
"""Of a shard, as `score` cuts them unasked."""


@dataclass(frozen=True)
class World:
    """What a simulation rests on; seconds.

    Attributes:
        each: to score an image by one worker: measured, by `twinspect plan`.
        start: until a worker has loaded its model: likewise.
        driver: that the driver takes for a shard: measured here.
        listed: that the driver takes to list an image.
        planned: that the driver takes to write a part of the plan, several requests at once.
        gets: requests for a shard's images and its part of the plan.
        puts: requests that write: a note of the attempt, the rows, and the note's removal.
        spread: by how much the time of a shard varies, one standard deviation.
    """

    each: float
    start: float
    driver: float
    listed: float
    planned: float
    gets: int
    puts: int = 3
    spread: float = 0.1


@dataclass(frozen=True)
class Run:
    """What came of a simulation; seconds.

    Attributes:
        before: until the first shard is handed out.
        scoring: from then to the last rows.
        driver: share of that in which the driver was busy.
        gets: share in which the prefix gave all the answers that it gives.
        alone: that one worker takes for its share, nobody in its way.
    """

    before: float
    scoring: float
    driver: float
    gets: float
    alone: float

    @property
    def efficiency(self) -> float:
        """Of scoring."""
        return self.alone / self.scoring

    @property
    def whole(self) -> float:
        """Of everything."""
        return self.alone / (self.before + self.scoring)


class Queue:
    """Something that serves one after the other."""

    def __init__(self) -> None:
        self.free, self.busy = 0.0, 0.0

    def serve(self, now: float, seconds: float) -> float:
        """Say when a request that comes now is over."""
        self.free = max(self.free, now) + seconds
        self.busy += seconds
        return self.free


def simulate(workers: int, shards: int, world: World, seed: int = 0) -> Run:
    """Let workers score so many shards each.

    A worker that is free asks the driver for a shard, has its images fetched, scores them as they come, and writes
    its rows; whoever asks first is served first.
    """
    chance, left = random.Random(seed), workers * shards
    # Of very many shards Ray is handed several at once.
    handing = world.driver * min(1.0, MOST_BLOCKS / left)
    driver, reads, writes = Queue(), Queue(), Queue()
    free = [(world.start, number) for number in range(workers)]
    heapq.heapify(free)
    while left:
        left -= 1
        now, number = heapq.heappop(free)
        handed = driver.serve(now, handing)
        fetched = reads.serve(handed, world.gets / GETS)
        scored = handed + IMAGES * world.each * max(0.1, chance.gauss(1, world.spread))
        heapq.heappush(free, (writes.serve(max(fetched, scored), world.puts / PUTS), number))
    last = max(at for at, _ in free)
    images = workers * shards * IMAGES
    before = images * world.listed + workers * shards * world.planned
    alone = world.start + shards * (world.driver + IMAGES * world.each + world.puts / PUTS)
    return Run(before, last, driver.busy / last, reads.busy / last, alone)


def worlds(options: argparse.Namespace, driver: float, listed: float) -> dict[str, World]:
    """Describe ways of keeping images; what is not measured is assumed, and says so in the table's head."""
    loose = World(
        options.each_ms / 1000,
        options.start,
        driver,
        max(listed, options.request / KEYS),
        options.request / WRITERS,
        IMAGES + 1,
    )
    tar = replace(loose, listed=max(listed, options.image_kb * 1e3 / (options.stream_mb * 1e6)))
    parquet = replace(loose, listed=listed, gets=4)
    return {
        "loose files, listed by prefix": loose,
        "loose files, in a Parquet manifest": replace(loose, listed=listed),
        ".tar files": tar,
        ".parquet files": parquet,
    }


class Nothing:
    """An actor that does nothing with a shard, and says so in as many words as a real one."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Give back a summary."""
        (shard,) = batch["shard"].tolist()
        row = {
            "shard": shard,
            "rows": IMAGES,
            "anomalous": 0,
            "unreadable": 0,
            "bytes": 9000,
            "sha256": "0" * 64,
        }
        return {name: [value] for name, value in row.items()}


def overhead(ray: Any, shards: int) -> tuple[float, int]:
    """Measure the seconds a shard takes two idle actors and the driver, and by how much the driver grew (bytes)."""
    items = [{"shard": shard} for shard in range(shards)]
    pool = ray.data.ActorPoolStrategy(min_size=2, max_size=2, max_tasks_in_flight_per_actor=2)
    before = peak()
    work = ray.data.from_items(items, override_num_blocks=shards).map_batches(
        Nothing, batch_size=1, compute=pool, num_cpus=1
    )
    rows, first = [], 0.0
    for row in work.iter_rows():
        first = first or time.perf_counter()
        rows.append(row)
    return (time.perf_counter() - first) / (shards - 1), peak() - before


def kept(shards: int) -> float:
    """Measure the bytes that are kept of a shard that is done."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    summaries = [ShardSummary(shard, IMAGES, 10**3, 10**3, 10**4, f"{shard:064x}") for shard in range(shards)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(summaries)


def peak() -> int:
    """Give the most resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def listing(images: int) -> float:
    """Measure the seconds that it takes to read an image's name from a Parquet manifest and cut the plan."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from twinspect.scale.run_folder import open_run_folder
    from twinspect.scale.shard_plan import make_plan

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.parquet"
        names = [f"s3://bucket/line-{number % 7}/{number}.png" for number in range(images)]
        pq.write_table(pa.table({"path": names}), path)
        key = {"inputs": [str(path)], "category": None, "shard_images": IMAGES}
        began = time.perf_counter()
        make_plan(open_run_folder(str(Path(folder) / "out")), key)
        return (time.perf_counter() - began) / images


def main() -> None:
    """Measure, simulate, and print both."""
    options = _options()
    from twinspect.scale.ray_cluster import cluster

    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    listed = listing(options.images)
    print(
        f"driver: {listed * 1e6:.1f} us to list an image of a manifest, and cut the plan ({options.images} images)"
    )
    print(f"driver: {kept(100_000):.0f} B kept of a shard until the end")
    driver = 0.0
    with cluster(None, cpus=2) as ray:
        import ray.data

        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        for shards in options.shards:
            driver, grown = overhead(ray, shards)
            grew = f"memory + {grown / 1e6:.0f} MB"
            print(f"driver: {driver * 1e3:.2f} ms a shard, {grew} ({shards} shards, two idle actors)")
    _simulated(options, worlds(options, driver, listed))


def _simulated(options: argparse.Namespace, found: dict[str, World]) -> None:
    print(
        f"\nassumed: {options.request} s for a request of the driver's, {options.stream_mb} MB/s to one reader of a "
        f"tar, {options.image_kb} kB an image;\nS3's {GETS:.0f} reads/s and {PUTS:.0f} writes/s of a prefix; "
        f"{options.each_ms} ms an image and {options.start} s to start a worker;\n"
        f"{options.each} shards of {IMAGES} images a worker"
    )
    for name, world in found.items():
        print(f"\n{name}\n workers  before s  scoring s  efficiency  whole  driver busy  prefix busy")
        for workers in WORKERS:
            run = simulate(workers, options.each, world, options.seed)
            print(
                f"{workers:8d} {run.before:9.0f} {run.scoring:10.0f} {run.efficiency:11.2f} {run.whole:6.2f}"
                f" {run.driver:12.2f} {run.gets:12.2f}"
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--shards",
        type=lambda text: [int(each) for each in text.split(",")],
        default=[500, 2000],
        metavar="N,N",
    )
    add("--images", type=int, default=200_000, help="to list (200000)")
    add("--each", type=int, default=20, help="shards of each worker (20)")
    add(
        "--each-ms",
        type=float,
        default=15.0,
        help="to score an image by one worker; see: twinspect plan (15)",
    )
    add("--start", type=float, default=15.0, help="seconds until a worker has its model (15)")
    add("--request", type=float, default=0.1, help="seconds that a request of the driver's takes (0.1)")
    add("--stream-mb", type=float, default=100.0, help="MB a second that one reader gets (100)")
    add("--image-kb", type=float, default=100.0, help="of an image (100)")
    add("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
