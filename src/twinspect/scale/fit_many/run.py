"""Working through many models: claim them, have them fitted, store each result."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Final, cast

from twinspect.benchmark.time_left import PlanStatus, plan_status
from twinspect.bundle.folder import WEIGHTS, is_model, read_record
from twinspect.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from twinspect.benchmark.store import RunStore
    from twinspect.scale.fit_many.engines import FitEngine
    from twinspect.scale.fit_many.fit_one import FitResult
    from twinspect.scale.fit_many.plan import FitJob


MOST_NAMES: Final = 5
"""Models that an error names."""


def prepare(store: RunStore, jobs: Sequence[FitJob], *, retry: bool) -> None:
    """Register the jobs in the store; a finished run stays finished as long as its model exists.

    Args:
        store: store of the runs.
        jobs: the plan.
        retry: whether to fit again what failed.

    Raises:
        ConfigError: another running process fits one of these models with other settings.
    """
    keys = [job.run.key for job in jobs]
    store.supersede([job.run for job in jobs])
    store.plan([job.run for job in jobs])
    store.requeue_finished(job.run.key for job in jobs if not _model_exists(job))
    if retry:
        store.retry(keys)


def check_places(store: RunStore, jobs: Sequence[FitJob], *, overwrite: bool) -> None:
    """Refuse to replace finished models that were not made for these jobs, unless they are to be overwritten.

    Args:
        store: store of the runs; a job that it knows goes on, and may have written its model already.
        jobs: the plan.
        overwrite: whether such models are to be replaced.

    Raises:
        ConfigError: names them.
    """
    known = {row["key"] for row in store.rows(job.run.key for job in jobs)}
    others = [job.name for job in jobs if job.run.key not in known and is_model(job.model)]
    if others and not overwrite:
        names = ", ".join(others[:MOST_NAMES]) + (" …" if len(others) > MOST_NAMES else "")
        raise ConfigError(
            f"{store.folder} holds finished models of other settings or images: {names}; to replace them, each once "
            "its new one is complete, add --overwrite, or choose another --out"
        )


def fit_all(
    store: RunStore,
    jobs: Sequence[FitJob],
    engine: FitEngine,
    on_result: Callable[[FitJob, FitResult, PlanStatus], None],
) -> None:
    """Fit every model of a plan that is neither finished nor being fitted by another process.

    Only this process writes to the store; those that fit return their results.

    Args:
        store: store in which the runs are registered.
        jobs: the plan.
        engine: fits the models.
        on_result: called with each finished job.

    Raises:
        KeyboardInterrupt: Ctrl-C; the claims are released, and trainings resume from their checkpoints next time.
    """
    by_key = {job.run.key: job for job in jobs}
    keys, held = list(by_key), set()

    def claim() -> FitJob | None:
        key = store.claim(keys)
        if key is None:
            return None
        held.add(key)
        return by_key[key]

    with store.heartbeat():
        try:
            with closing(cast("Generator[tuple[FitJob, FitResult]]", engine.run(claim))) as results:
                for job, result in results:
                    _store_result(store, job, result)
                    held.discard(job.run.key)
                    on_result(job, result, plan_status(store.rows(keys)))
        finally:
            for key in held:
                store.release(key)


def _store_result(store: RunStore, job: FitJob, result: FitResult) -> None:
    if result.trial:
        store.finish(job.run.key, result.trial)
    else:
        store.fail(job.run.key, " ".join(result.error.split()))
    shutil.rmtree(job.checkpoints, ignore_errors=True)


def _model_exists(job: FitJob) -> bool:
    """Whether the model exists, with an unaltered record."""
    try:
        read_record(job.model)
    except BundleError:
        return False
    return (job.model / WEIGHTS).is_file()
