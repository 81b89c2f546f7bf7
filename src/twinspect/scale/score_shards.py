"""Scoring a lake of images: listed once, cut into shards, each done exactly once by whatever engine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from twinspect.bundle.folder import model_key, read_record
from twinspect.calibration.conformal import Calibration
from twinspect.data.opening import as_path
from twinspect.data.prefetching import prefetch
from twinspect.errors import unknown_name
from twinspect.scale import local_engine
from twinspect.scale.run_folder import open_folder
from twinspect.scale.run_manifest import write_manifest
from twinspect.scale.shard import summary_of
from twinspect.scale.shard_plan import ATTEMPTS, ROWS, check_shard_size, make_plan, open_plan, part_name
from twinspect.scale.storage import is_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.scale.job import Run, ScoringJob
    from twinspect.scale.run_folder import Folder
    from twinspect.scale.shard import Summary
    from twinspect.scale.shard_plan import Plan
    from twinspect.utils.progress import Progress

_ASKED_AT_ONCE = 8
"""Parts of an interrupted run that are read at once."""


def score_lake(
    job: ScoringJob,
    inputs: Sequence[str],
    *,
    run: Run = local_engine.run,
    shard_images: int = 512,
    column: str | None = None,
    overwrite: bool = False,
    progress: Progress,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Score all images of all inputs into a folder of Parquet files, or go on where that was interrupted.

    Args:
        job: the model, and where the rows go.
        inputs: paths or URIs of folders, tar and Parquet files, manifests or images.
        run: the engine.
        shard_images: images of a shard, a multiple of the batch size.
        column: the Parquet column that holds images, where a file has several that could.
        overwrite: throw away what the folder holds.
        progress: told about every image.
        note: told in words what is there already, and what is left out.

    Returns:
        What ``manifest.json`` says.

    Raises:
        ConfigError: an option that is not allowed.
        DataError: an input that is not there, or a folder that holds another run.
        BundleError: the model is damaged.
        OSError: the folder cannot be written.
    """
    key = _key(job, inputs, shard_images, column)
    folder = open_folder(job.out)
    plan = open_plan(folder, key, overwrite=overwrite) or _planned(folder, key, column, note)
    there = folder.names(ROWS)
    done = [shard for shard in range(plan.shards) if part_name(shard) in there]
    summaries = list(
        prefetch(done, partial(summary_of, folder), workers=_ASKED_AT_ONCE, ahead=2 * _ASKED_AT_ONCE)
    )
    if done:
        note(f"{job.out}: {len(done)} of {plan.shards} shards are there already")
    left = sorted(set(range(plan.shards)) - set(done))
    summaries += _run(job, folder, plan, run, left, summaries, progress)
    folder.remove(ATTEMPTS)
    return write_manifest(folder, plan, summaries)


def _run(
    job: ScoringJob,
    folder: Folder,
    plan: Plan,
    run: Run,
    left: list[int],
    done: list[Summary],
    progress: Progress,
) -> list[Summary]:
    progress.start("score", plan.images, sum(part.rows for part in done))
    try:
        return list(run(job, left, lambda images: progress.advance(steps=images))) if left else []
    except KeyboardInterrupt as interruption:
        folder.remove(ATTEMPTS)  # workers that were sent away have not died of an image
        raise KeyboardInterrupt("whole shards are kept; go on with the same command") from interruption
    finally:
        progress.finish()


def _planned(folder: Folder, key: dict[str, Any], column: str | None, note: Callable[[str], None]) -> Plan:
    plan = make_plan(folder, key, column=column)
    if plan.left_out:
        note(f"{plan.left_out} files left out, for instance {plan.first_left_out}")
    return plan


def _key(job: ScoringJob, inputs: Sequence[str], shard_images: int, column: str | None) -> dict[str, Any]:
    """Say what decides the rows, and refuse what the model does not know."""
    known = set(Calibration.from_record(read_record(job.model)["calibration"]).categories)
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
