"""What a person sees while work goes on, on standard error: what is done now, and bars with the time left."""

from __future__ import annotations

import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from rich.progress import TaskID

    from twinspect.utils.live_display import LiveDisplay
    from twinspect.utils.progress_file import ProgressFile

PROGRESS_FILE = "TWINSPECT_PROGRESS_FILE"
"""The environment variable that names a file which is told where the work stands."""
FIRST_LINE = 2.0
SECONDS_BETWEEN_LINES = 10.0
"""Where there is no terminal, for instance in a log, lines are printed instead of the bar: the first after so many
seconds, then half as long again as the last time, up to this."""


class Bar:
    """The stages of a verb, as a :class:`twinspect.utils.progress.Progress`: bars, or what is done now.

    On a terminal they are drawn, all by the same display; elsewhere, for instance in a log, a stage is a line.
    """

    def __init__(self) -> None:
        self._task: TaskID | None = None
        self._stage, self._total, self._done = "", 0, 0
        self._began = self._printed = time.monotonic()
        self._steps, self._wait = 0, FIRST_LINE
        self._said: set[str] = set()
        self._file = _progress_file()

    def __enter__(self) -> Bar:  # noqa: PYI034 - it has no subclasses
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if is_drawn():
            _display().close()

    def start(self, stage: str, total: int, done: int = 0) -> None:
        """Begin a stage of ``total`` steps, or of 0 if there are none to count."""
        self._began = self._printed = time.monotonic()
        self._steps, self._task, self._wait = 0, None, FIRST_LINE
        self._stage, self._total, self._done = stage, total, done
        if self._file:
            self._file.start(stage, total, done)
        if not is_drawn():
            if total:
                _print_stage(f"{stage}, {done}/{total}")
            elif stage not in self._said:  # after an interruption it goes on
                _print_stage(stage)
                self._said.add(stage)
        elif total:
            self._task = _display().add_bar(stage, total, done)
        else:
            _display().show_stage(stage)

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Count steps."""
        self._steps += steps
        self._done += steps
        if self._file:
            self._file.advance(steps)
        note = "" if loss is None else f"loss {loss:.4f}"
        if self._task is not None:
            _display().advance(self._task, steps, note)
        elif self._total:
            self._print_line(note)

    def finish(self) -> None:
        """End the stage."""
        if is_drawn():
            _display().end(self._task)

    def watch(self, stage: str, items: Iterable[Any], total: int) -> Iterator[Any]:
        """Pass items through, counting them."""
        self.start(stage, total)
        for item in items:
            yield item
            self.advance()

    def _print_line(self, note: str) -> None:
        now = time.monotonic()
        if now - self._printed < self._wait:
            return
        self._printed, self._wait = now, min(1.5 * self._wait, SECONDS_BETWEEN_LINES)
        left = (now - self._began) / max(1, self._steps) * (self._total - self._done)
        _print(f"{self._stage} {self._done}/{self._total} {note} {left:.0f} s left")


@cache
def _display() -> LiveDisplay:
    """Return the display of this process; without a terminal its package, slow to import, is not needed."""
    from twinspect.utils.live_display import LiveDisplay  # noqa: PLC0415 - only terminals need it

    return LiveDisplay()


def _progress_file() -> ProgressFile | None:
    path = os.environ.get(PROGRESS_FILE)
    if not path:
        return None
    from twinspect.utils.progress_file import ProgressFile  # noqa: PLC0415 - rarely asked for

    return ProgressFile(Path(path))


def is_drawn() -> bool:
    """Tell whether bars are drawn: on a terminal that moves its cursor, where a person looks at it."""
    is_log = "CI" in os.environ or os.environ.get("TERM") in ("dumb", "unknown")
    return sys.stderr.isatty() and not is_log


def _print_stage(stage: str) -> None:
    _print(f"twinspect: {spell(stage)}")


def _print(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - what the bar is where nothing can be drawn
