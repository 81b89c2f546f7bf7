"""What a person sees while a verb runs, on standard error: what is done now, and bars with the time left."""

from __future__ import annotations

import logging
import statistics
import sys
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from rich.progress import TaskID

    from twinspect.calibration.conformal import Calibration
    from twinspect.cli.live_display import LiveDisplay

WIDE = 160
"""Width of tables that do not go to a terminal."""
FIRST_LINE = 2.0
SECONDS_BETWEEN_LINES = 30.0
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

    def __enter__(self) -> Bar:  # noqa: PYI034 - it has no subclasses
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if sys.stderr.isatty():
            _display().close()

    def start(self, stage: str, total: int, done: int = 0) -> None:
        """Begin a stage of ``total`` steps, or of 0 if there are none to count."""
        self._began = self._printed = time.monotonic()
        self._steps, self._task, self._wait = 0, None, FIRST_LINE
        self._stage, self._total, self._done = stage, total, done
        if not sys.stderr.isatty():
            if total:
                warn(f"{stage}, {done}/{total}")
            elif stage not in self._said:  # after an interruption it goes on
                warn(stage)
                self._said.add(stage)
        elif total:
            self._task = _display().add_bar(stage, total, done)
        else:
            _display().show_stage(stage)

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Count steps."""
        self._steps += steps
        self._done += steps
        note = "" if loss is None else f"loss {loss:.4f}"
        if self._task is not None:
            _display().advance(self._task, steps, note)
        elif self._total:
            self._print_line(note)

    def finish(self) -> None:
        """End the stage."""
        if sys.stderr.isatty():
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
        print(f"{self._stage} {self._done}/{self._total} {note} {left:.0f} s left", file=sys.stderr)


@cache
def _display() -> LiveDisplay:
    """Return the display of this process; without a terminal its package, slow to import, is not needed."""
    from twinspect.cli.live_display import LiveDisplay

    return LiveDisplay()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out rows as text."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*[_cell(value) for value in row])
    # In a file or a pipe nothing needs to be wrapped.
    width = max(80, Console().width) if sys.stdout.isatty() else WIDE
    console = Console(width=width, file=sys.stdout, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return spell(text).replace("[", "\\[")


def counted(many: int, thing: str) -> str:
    """Say how many of something there are.

    >>> counted(1, "shard"), counted(7, "image")
    ('1 shard', '7 images')
    """
    return f"{many} {thing}" if many == 1 else f"{many} {thing}s"


def warn(text: str) -> None:
    """Print a note on standard error, in one line whatever names are in it."""
    print(f"twinspect: {spell(text)}", file=sys.stderr)


class _Notes(logging.Handler):
    """Prints what is logged as a note."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, above the live lines if there are any."""
        warn(record.getMessage())


@contextmanager
def printed_notes(*, is_shown: bool) -> Iterator[None]:
    """Print which teacher ``auto`` took, while in the block; or nothing, where another process prints it."""
    logger, handler = logging.getLogger("twinspect.teachers"), _Notes() if is_shown else logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def warn_of_suspects(calibration: Calibration) -> None:
    """Name good images with suspiciously high scores: the threshold may rest on one of them."""
    for name, score in calibration.suspects():
        role = "sets the threshold" if score == calibration.threshold else "is in the calibration"
        warn(
            f"{name} {role}, but its score of {score:.4g} is far above the other good images' (median "
            f"{statistics.median(calibration.scores):.4g}): if it is not good, take it out and fit again"
        )
