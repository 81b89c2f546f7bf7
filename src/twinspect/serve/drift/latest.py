"""A warning beside a model's name: whether the newest full window of images looks unlike the calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.serve.drift.windows import find_drift

if TYPE_CHECKING:
    from twinspect.serve.http.context import Context
    from twinspect.serve.scoring.model_worker import ModelWorker

WINDOW: Final = 50


def latest_drift(context: Context, worker: ModelWorker) -> str | None:
    """Return what changed, in words, or ``None``; each window is tested once and the result cached."""
    windows = context.store.windows(worker.id, size=WINDOW, limit=1)
    if not windows:
        return None
    active = worker.active

    def describe() -> str | None:
        (window,) = find_drift(active.calibration, windows).windows
        if not window.words:
            return None
        return f"the last {WINDOW} images that were tested look unlike the calibration: {'; '.join(window.words)}"

    return context.cached(context.drifts, (active.id, int(windows[0].ids[-1])), describe)
