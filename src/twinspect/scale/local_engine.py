"""The engine that needs nothing else: one shard after the other, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.scale.model_transfer import load_with
from twinspect.scale.run_folder import open_folder
from twinspect.scale.shard import score_shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.scale.job import ScoringJob, Tick
    from twinspect.scale.shard import Summary


def run(job: ScoringJob, shards: Sequence[int], tick: Tick) -> Iterator[Summary]:
    """Score shards here; see :data:`twinspect.scale.job.Run`."""
    judge = load_with(job.model, device=job.device, export=job.export, threads=job.threads)
    judge.set_params(workers=job.workers)
    folder = open_folder(job.out)
    for shard in shards:
        yield score_shard(judge, folder, shard, category=job.category, tick=lambda: tick(1))
