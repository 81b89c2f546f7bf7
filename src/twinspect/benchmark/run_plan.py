"""Working through a plan: claim a run, make the trial, write it down, until nothing is left to claim."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from twinspect.benchmark.plan import checkpoints
from twinspect.benchmark.time_left import Standing, standing
from twinspect.benchmark.trial import run_trial
from twinspect.errors import TwinspectError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.benchmark.plan import Run
    from twinspect.benchmark.store import RunStore
    from twinspect.utils.progress import Progress


def work(
    store: RunStore,
    runs: Sequence[Run],
    *,
    progress: Progress | None = None,
    begin: Callable[[Run, Standing], None] | None = None,
    failed: Callable[[Run, str], None] | None = None,
) -> None:
    """Make every run of a plan that nobody has made and nobody is making.

    Args:
        store: knows the runs already.
        runs: the plan.
        progress: told about every step of every training, and every image scored.
        begin: called before each run.
        failed: called with each run that failed, and why; the others go on.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM, once the training has saved where it stands.
    """
    by_key = {run.key: run for run in runs}
    keys = list(by_key)
    while (key := store.claim(keys)) is not None:
        run = by_key[key]
        if begin:
            begin(run, standing(store.rows(keys)))
        reason = _make(store, run, progress)
        if reason and failed:
            failed(run, reason)


def _make(store: RunStore, run: Run, progress: Progress | None) -> str:
    """Make a run that was claimed; say why it failed, or nothing."""
    key, kept, reason = run.key, checkpoints(store.folder, run.key), ""
    try:
        with store.heartbeat():
            found = run_trial(run.detector, run.read(), checkpoint=kept, progress=progress)
        store.finish(key, found)
    except TwinspectError as error:
        reason = str(error)
        store.fail(key, reason)
    except BaseException:  # interrupted, or a bug: either way somebody may take it up again
        store.release(key)
        raise
    shutil.rmtree(kept, ignore_errors=True)
    return reason
