"""Running a plan: claim a run, make the trial, store its results, until no run is left to claim."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from twinspect.benchmark.plan import checkpoint_folder
from twinspect.benchmark.time_left import PlanStatus, plan_status
from twinspect.benchmark.trial import run_trial
from twinspect.errors import TwinspectError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.benchmark.plan import Run
    from twinspect.benchmark.store import RunStore
    from twinspect.utils.progress import Progress


def run_all(
    store: RunStore,
    runs: Sequence[Run],
    *,
    progress: Progress | None = None,
    on_start: Callable[[Run, PlanStatus], None] | None = None,
    on_failure: Callable[[Run, str], None] | None = None,
) -> None:
    """Make every run of a plan that is neither made nor being made by any process.

    Args:
        store: holds the runs already.
        runs: the plan.
        progress: called for every step of every training and every image scored.
        on_start: called before each run.
        on_failure: called with each run that failed, and why; the others go on.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM, once the training has saved its state.
    """
    by_key = {run.key: run for run in runs}
    keys = list(by_key)
    while (key := store.claim(keys)) is not None:
        run = by_key[key]
        if on_start:
            on_start(run, plan_status(store.rows(keys)))
        reason = _run_one(store, run, progress)
        if reason and on_failure:
            on_failure(run, reason)


def _run_one(store: RunStore, run: Run, progress: Progress | None) -> str:
    """Make a run that was claimed, and return why it failed; empty if it did not."""
    key, checkpoint, reason = run.key, checkpoint_folder(store.folder, run.key), ""
    try:
        with store.heartbeat():
            trial = run_trial(
                run.detector, run.read(), checkpoint=checkpoint, progress=progress, keep=run.keep
            )
        store.finish(key, trial)
    except TwinspectError as error:
        reason = str(error)
        store.fail(key, reason)
    except BaseException:  # interrupted, or a bug: either way the run may be claimed again
        store.release(key)
        raise
    shutil.rmtree(checkpoint, ignore_errors=True)
    return reason
