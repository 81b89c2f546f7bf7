"""The engine without dependencies: one shard after the other, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.scale.model_transfer import load_model
from twinspect.scale.run_folder import open_run_folder
from twinspect.scale.shard import score_shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.scale.job import ScoringJob, Tick
    from twinspect.scale.shard import ShardSummary


def run(job: ScoringJob, shards: Sequence[int], tick: Tick) -> Iterator[ShardSummary]:
    """Score shards in this process; see :data:`twinspect.scale.job.ScoringEngine`."""
    detector = load_model(job.model, device=job.device, export=job.export, threads=job.threads)
    detector.set_params(workers=job.workers)
    folder = open_run_folder(job.out)
    for shard in shards:
        yield score_shard(detector, folder, shard, category=job.category, tick=lambda: tick(1))
