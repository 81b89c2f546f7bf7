"""The engine for many processes and machines: Ray Data hands shards to actors, each with one model."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.errors import ConfigError, TwinspectError
from twinspect.scale.model_transfer import pack, unpack
from twinspect.scale.ray_cluster import cluster
from twinspect.scale.run_folder import open_run_folder
from twinspect.scale.shard import ShardSummary, score_shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.scale.job import ScoringJob, Tick

MOST_BLOCKS: Final = 10_000
"""Most tasks; with more shards than this, a task scores several."""


@dataclass(frozen=True)
class RayEngine:
    """Scores shards by a pool of actors.

    Attributes:
        min_size: least number of actors.
        max_size: most actors that the pool grows to while there is work; ``None`` for as many as the cluster has room
            for.
        gpus: GPUs of each actor; a fraction is allowed.
        address: address of the cluster, ``auto``, or ``None`` for a cluster of its own on this machine.
    """

    min_size: int = 1
    max_size: int | None = None
    gpus: float = 0
    address: str | None = None

    def __post_init__(self) -> None:
        if (
            self.min_size < 1
            or (self.max_size is not None and self.max_size < self.min_size)
            or self.gpus < 0
        ):
            raise ConfigError(
                f"actors {self.min_size} to {self.max_size} with {self.gpus} GPUs each; allowed are --actors N or "
                "MIN,MAX with 1 <= MIN <= MAX, and --gpus-per-actor of 0 or more"
            )

    def run(self, job: ScoringJob, shards: Sequence[int], tick: Tick) -> Iterator[ShardSummary]:
        """Score shards; see :data:`twinspect.scale.job.ScoringEngine`."""
        files = pack(job.model, job.export)
        cpus = (self.max_size or 1) * job.threads
        with cluster(self.address, cpus=cpus, object_bytes=sum(map(len, files.values()))) as ray:
            for summary in self._stream(ray, job, shards, ray.put(files)):
                tick(summary.rows)
                yield summary

    def _stream(self, ray: Any, job: ScoringJob, shards: Sequence[int], files: Any) -> Iterator[ShardSummary]:
        _silence_ray_data(ray)
        items = [{"shard": shard} for shard in shards]
        work = ray.data.from_items(items, override_num_blocks=min(len(items), MOST_BLOCKS)).map_batches(
            ShardWorker,
            batch_size=1,
            fn_constructor_args=(job, files),
            num_cpus=job.threads,
            num_gpus=self.gpus,
            compute=ray.data.ActorPoolStrategy(**self._pool_size(ray, job.threads, len(items))),
        )
        for row in work.iter_rows():
            if row["error"]:
                raise TwinspectError(row["error"])
            yield ShardSummary(**json.loads(row["summary"]))

    def _pool_size(self, ray: Any, threads: int, shards: int) -> dict[str, int]:
        """Limit the pool to what there is room and work for."""
        max_size = self.max_size or self._capacity(ray, threads)
        max_size = max(1, min(max_size, shards))
        min_size = min(self.min_size, max_size)
        # One shard in work and one waiting: what waits at an actor that dies is handed to another.
        return {"min_size": min_size, "max_size": max_size, "max_tasks_in_flight_per_actor": 2}

    def _capacity(self, ray: Any, threads: int) -> int:
        resources = ray.cluster_resources()
        actors = resources.get("CPU", 1) / threads
        return int(min(actors, resources.get("GPU", 0) / self.gpus) if self.gpus else actors)


class ShardWorker:
    """An actor: loads the model once, then scores shard after shard.

    A user's mistake is returned as text: if it were raised here, Ray would retry, and report it at length.

    Args:
        job: the run.
        files: Ray reference to the packed model.
    """

    def __init__(self, job: ScoringJob, files: Any) -> None:
        import ray  # noqa: PLC0415 - an extra

        self._job = job
        self._error = ""
        packed = ray.get(files)
        try:
            # Ray's workers start in the folder where Ray was started, perhaps on another machine.
            with suppress(FileNotFoundError):
                os.chdir(job.home)
            self._folder = open_run_folder(job.out)
            self._detector = unpack(packed, device=job.device, export=job.export, threads=job.threads)
        except (TwinspectError, OSError) as error:
            self._error = str(error)
        else:
            self._detector.set_params(workers=job.workers)

    def __call__(self, batch: dict[str, NDArray[np.int64]]) -> dict[str, list[str]]:
        """Score the shard of a batch, which holds one."""
        if self._error:
            return {"error": [self._error], "summary": [""]}
        (shard,) = batch["shard"].tolist()
        try:
            summary = score_shard(self._detector, self._folder, shard, category=self._job.category)
        except (TwinspectError, OSError) as error:
            return {"error": [str(error)], "summary": [""]}
        return {"error": [""], "summary": [json.dumps(asdict(summary))]}


def _silence_ray_data(ray: Any) -> None:
    """Leave the terminal to our own progress bar."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
