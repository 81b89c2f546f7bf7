"""The engine for many processes and machines: Ray Data hands shards to actors that each hold one model."""

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
from twinspect.scale.run_folder import open_folder
from twinspect.scale.shard import Summary, score_shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.scale.job import ScoringJob, Tick

MOST_BLOCKS: Final = 10_000
"""Tasks that are handed out at most; of more shards than this, one task does several."""


@dataclass(frozen=True)
class Actors:
    """How many processes score, and what each may use.

    Attributes:
        least: that are kept.
        most: up to which the pool grows while there is work; ``None`` for as many as the cluster has room for.
        gpus: for each; a part of one is allowed.
        address: of the cluster, ``auto``, or ``None`` for one of its own on this machine.
    """

    least: int = 1
    most: int | None = None
    gpus: float = 0
    address: str | None = None

    def __post_init__(self) -> None:
        if self.least < 1 or (self.most is not None and self.most < self.least) or self.gpus < 0:
            raise ConfigError(
                f"actors {self.least} to {self.most} with {self.gpus} GPUs each; allowed are --actors N or MIN,MAX "
                "with 1 <= MIN <= MAX, and --gpus-per-actor of 0 or more"
            )

    def run(self, job: ScoringJob, shards: Sequence[int], tick: Tick) -> Iterator[Summary]:
        """Score shards by a pool of actors; see :data:`twinspect.scale.job.Run`."""
        files = pack(job.model, job.export)
        wanted = (self.most or 1) * job.threads
        with cluster(self.address, cpus=wanted, put=sum(map(len, files.values()))) as ray:
            for summary in self._stream(ray, job, shards, ray.put(files)):
                tick(summary.rows)
                yield summary

    def _stream(self, ray: Any, job: ScoringJob, shards: Sequence[int], files: Any) -> Iterator[Summary]:
        _be_quiet(ray)
        items = [{"shard": shard} for shard in shards]
        work = ray.data.from_items(items, override_num_blocks=min(len(items), MOST_BLOCKS)).map_batches(
            Worker,
            batch_size=1,
            fn_constructor_args=(job, files),
            num_cpus=job.threads,
            num_gpus=self.gpus,
            compute=ray.data.ActorPoolStrategy(**self._sizes(ray, job.threads, len(items))),
        )
        for row in work.iter_rows():
            if row["mistake"]:
                raise TwinspectError(row["mistake"])
            yield Summary(**json.loads(row["summary"]))

    def _sizes(self, ray: Any, threads: int, shards: int) -> dict[str, int]:
        """Say how large the pool may be: no larger than there is room or work for."""
        most = self.most or self._room(ray, threads)
        most = max(1, min(most, shards))
        least = min(self.least, most)
        # One shard in hand and one waiting: what waits at an actor that dies is handed to another.
        return {"min_size": least, "max_size": most, "max_tasks_in_flight_per_actor": 2}

    def _room(self, ray: Any, threads: int) -> int:
        there = ray.cluster_resources()
        room = there.get("CPU", 1) / threads
        return int(min(room, there.get("GPU", 0) / self.gpus) if self.gpus else room)


class Worker:
    """An actor: loads the model once, then scores shard after shard.

    A user's mistake travels back as text: raised here, Ray would try again, and tell of it at length.

    Args:
        job: the run.
        files: reference to the packed model.
    """

    def __init__(self, job: ScoringJob, files: Any) -> None:
        import ray  # noqa: PLC0415 - an extra

        self._job = job
        self._mistake = ""
        packed = ray.get(files)
        try:
            # Ray's workers begin where Ray was started, which may be another place, or another machine.
            with suppress(FileNotFoundError):
                os.chdir(job.home)
            self._folder = open_folder(job.out)
            self._judge = unpack(packed, device=job.device, export=job.export, threads=job.threads)
        except (TwinspectError, OSError) as error:
            self._mistake = str(error)
        else:
            self._judge.set_params(workers=job.workers)

    def __call__(self, batch: dict[str, NDArray[np.int64]]) -> dict[str, list[str]]:
        """Score the shard of a batch, which holds one."""
        if self._mistake:
            return {"mistake": [self._mistake], "summary": [""]}
        (shard,) = batch["shard"].tolist()
        try:
            summary = score_shard(self._judge, self._folder, shard, category=self._job.category)
        except (TwinspectError, OSError) as error:
            return {"mistake": [str(error)], "summary": [""]}
        return {"mistake": [""], "summary": [json.dumps(asdict(summary))]}


def _be_quiet(ray: Any) -> None:
    """Leave the terminal to our own bar."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
