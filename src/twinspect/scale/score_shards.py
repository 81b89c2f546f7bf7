"""Sharded scoring of many images: listed once, cut into shards, each scored exactly once by any engine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from twinspect.bundle.folder import model_key, read_model_record
from twinspect.calibration.conformal import Calibration
from twinspect.data.opening import as_path
from twinspect.data.prefetching import prefetch
from twinspect.errors import unknown_name
from twinspect.scale import local_engine
from twinspect.scale.run_folder import open_run_folder
from twinspect.scale.run_manifest import write_manifest
from twinspect.scale.shard import read_summary
from twinspect.scale.shard_plan import (
    ATTEMPTS,
    ROWS,
    check_shard_size,
    make_plan,
    open_plan,
    part_name,
    planned_key,
)
from twinspect.scale.storage import is_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.scale.job import ScoringEngine, ScoringJob
    from twinspect.scale.run_folder import RunFolder
    from twinspect.scale.shard import ShardSummary
    from twinspect.scale.shard_plan import ShardPlan
    from twinspect.utils.progress import Progress

_READERS = 8
"""Parts of an interrupted run that are read at once."""


def score_in_shards(
    job: ScoringJob,
    inputs: Sequence[str],
    *,
    engine: ScoringEngine = local_engine.run,
    shard_images: int = 512,
    column: str | None = None,
    overwrite: bool = False,
    progress: Progress,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Score all images of all inputs into a folder of Parquet files, or resume where that was interrupted.

    Args:
        job: the model, and where the rows go.
        inputs: paths or URIs of folders, tar and Parquet files, manifests or images.
        engine: scores the shards.
        shard_images: images per shard, a multiple of the batch size.
        column: the Parquet column of images, where a file has several that could be.
        overwrite: discard what the folder holds.
        progress: counts every image.
        note: called with messages about what is there already, and what is left out.

    Returns:
        The content of ``manifest.json``.

    Raises:
        ConfigError: an option has a value that is not allowed.
        DataError: no input can be scored, or the folder holds another run, or one that goes on now.
        BundleError: the model is damaged.
        OSError: the folder cannot be written.
    """
    key = _run_key(job, inputs, shard_images, column)
    folder = open_run_folder(job.out)
    with folder.single_writer():
        plan = open_plan(folder, key, overwrite=overwrite) or _make_plan(folder, key, column, note)
        return _score_remaining(engine, job, folder, plan, progress, note)


def model_of_run(out: str) -> str | None:
    """Give the key of the model that a folder of shards was begun with; ``None`` if none was begun there.

    Raises:
        DataError: its plan is damaged.
    """
    key = planned_key(open_run_folder(out))
    return None if key is None else str(key.get("model"))


def _score_remaining(
    engine: ScoringEngine,
    job: ScoringJob,
    folder: RunFolder,
    plan: ShardPlan,
    progress: Progress,
    note: Callable[[str], None],
) -> dict[str, Any]:
    written = folder.names(ROWS)
    done = [shard for shard in range(plan.shards) if part_name(shard) in written]
    summaries = list(prefetch(done, partial(read_summary, folder), workers=_READERS, ahead=2 * _READERS))
    if done:
        note(f"{job.out}: {len(done)} of {plan.shards} shards are there already")
    remaining = sorted(set(range(plan.shards)) - set(done))
    summaries += _run(engine, job, remaining, folder, plan, summaries, progress)
    folder.remove(ATTEMPTS)
    return write_manifest(folder, plan, summaries)


def _run(
    engine: ScoringEngine,
    job: ScoringJob,
    shards: list[int],
    folder: RunFolder,
    plan: ShardPlan,
    done: list[ShardSummary],
    progress: Progress,
) -> list[ShardSummary]:
    progress.start("score", plan.images, sum(part.rows for part in done))
    try:
        return list(engine(job, shards, lambda images: progress.advance(steps=images))) if shards else []
    except KeyboardInterrupt as interruption:
        folder.remove(ATTEMPTS)  # interrupted workers have not died of an image
        raise KeyboardInterrupt("finished shards are kept; resume with the same command") from interruption
    finally:
        progress.finish()


def _make_plan(
    folder: RunFolder, key: dict[str, Any], column: str | None, note: Callable[[str], None]
) -> ShardPlan:
    plan = make_plan(folder, key, column=column)
    for source in plan.refused:
        note(source)
    if plan.left_out > len(plan.refused):
        note(f"{plan.left_out} files left out, for instance {plan.first_left_out}")
    return plan


def _run_key(job: ScoringJob, inputs: Sequence[str], shard_images: int, column: str | None) -> dict[str, Any]:
    """Collect what decides the rows, and refuse a category that the model does not know."""
    known = set(Calibration.from_record(read_model_record(job.model)["calibration"]).categories)
    if job.category is not None and job.category not in known:
        raise unknown_name("category", job.category, sorted(known))
    return {
        "model": model_key(job.model, job.export),
        "inputs": list(inputs),
        "relative_to": None if all(map(_is_absolute, inputs)) else job.home,
        "category": job.category,
        "device": job.device,
        "threads": job.threads,
        "shard_images": check_shard_size(shard_images),
        "image_column": column,
    }


def _is_absolute(source: str) -> bool:
    return is_uri(source) or as_path(source).is_absolute()
