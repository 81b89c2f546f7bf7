"""Working through many models: claim them, have them made, write down what came of each."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, cast

from twinspect.benchmark.time_left import PlanStatus, plan_status
from twinspect.bundle.folder import WEIGHTS, read_record
from twinspect.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from twinspect.benchmark.store import RunStore
    from twinspect.scale.fit_many.engines import FitEngine
    from twinspect.scale.fit_many.fit_one import Made
    from twinspect.scale.fit_many.plan import FitJob


def prepare(store: RunStore, jobs: Sequence[FitJob], *, retry: bool) -> None:
    """Note the jobs in the store; what was done stays done as long as its model is there.

    Args:
        store: of the runs.
        jobs: the plan.
        retry: whether to make again what failed.

    Raises:
        ConfigError: a living process makes one of these models with other settings.
    """
    keys = [job.run.key for job in jobs]
    store.supersede([job.run for job in jobs])
    store.plan([job.run for job in jobs])
    store.redo(job.run.key for job in jobs if not _is_whole(job))
    if retry:
        store.retry(keys)


def work(
    store: RunStore,
    jobs: Sequence[FitJob],
    engine: FitEngine,
    told: Callable[[FitJob, Made, PlanStatus], None],
) -> None:
    """Make every model of a plan that nobody has made and nobody is making.

    Only this process writes to the store; those that make models say what they found.

    Args:
        store: knows the runs already.
        jobs: the plan.
        engine: makes the models.
        told: called with each that is over.

    Raises:
        KeyboardInterrupt: Ctrl-C; the claims are given back, and trainings go on from their checkpoints another time.
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
            with closing(cast("Generator[tuple[FitJob, Made]]", engine.run(claim))) as over:
                for job, made in over:
                    _write_down(store, job, made)
                    held.discard(job.run.key)
                    told(job, made, plan_status(store.rows(keys)))
        finally:
            for key in held:
                store.release(key)


def _write_down(store: RunStore, job: FitJob, made: Made) -> None:
    if made.trial:
        store.finish(job.run.key, made.trial)
    else:
        store.fail(job.run.key, " ".join(made.error.split()))
    shutil.rmtree(job.checkpoints, ignore_errors=True)


def _is_whole(job: FitJob) -> bool:
    """Whether the model is there, with a record that nobody altered."""
    try:
        read_record(job.model)
    except BundleError:
        return False
    return (job.model / WEIGHTS).is_file()
