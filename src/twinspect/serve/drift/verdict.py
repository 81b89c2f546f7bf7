"""One verdict on all windows, which every figure beside it agrees with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from twinspect.serve.drift.windows import Drift, Window


@dataclass(frozen=True)
class Verdict:
    """What all windows say together.

    Attributes:
        state: ``alarm``: the newest window differs from the calibration; ``earlier``: it does not, but one before it
            did; ``quiet``: none did; ``untested``: no change could have been noticed; ``waiting``: no window is full.
        since: index of the first window of the alarm that lasts; ``None`` without one.
        text: in one sentence.
    """

    state: Literal["alarm", "earlier", "quiet", "untested", "waiting"]
    since: int | None
    text: str


def judge(drift: Drift) -> Verdict:
    """Judge the newest window, by the test whose false-alarm rate is known, and count the alarms before it."""
    windows = drift.windows
    if not windows:
        return Verdict("waiting", None, "no window is full yet")
    if windows[-1].alarmed:
        return _alarm(windows)
    alarms = sum(bool(window.alarmed) for window in windows)
    if alarms:
        chance = f"chance alone raises {drift.rate * len(windows):.2g} on average"
        text = (
            f"no drift now: the newest window looks like the calibration images, but {alarms} of {len(windows)} "
            f"windows raised an alarm, where {chance}"
        )
        return Verdict("earlier", None, text)
    if not windows[-1].can_notice:
        return Verdict("untested", None, "no change can be noticed: there are too few images to compare")
    return Verdict("quiet", None, f"no drift seen: {_all(len(windows))} like the calibration images")


def _alarm(windows: tuple[Window, ...]) -> Verdict:
    since = len(windows) - 1
    while since and windows[since - 1].alarmed:
        since -= 1
    text = f"drift: production no longer looks like the calibration: {'; '.join(windows[-1].words)}"
    return Verdict("alarm", since, text)


def _all(windows: int) -> str:
    return "the window looks" if windows == 1 else f"all {windows} windows look"


def verdict_record(drift: Drift) -> dict[str, Any]:
    """Return the verdict as plain JSON values, with ``since`` as the id of an inspection."""
    verdict = judge(drift)
    since = None if verdict.since is None else drift.windows[verdict.since].first
    return {"state": verdict.state, "since": since, "text": verdict.text}
