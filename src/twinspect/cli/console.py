"""What a person sees while a verb runs: one progress bar with the time left, on standard error."""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from rich.progress import Progress

    from twinspect.calibration.conformal import Calibration

WIDE = 160
"""Width of tables that do not go to a terminal."""
SECONDS_BETWEEN_LINES = 30.0
"""Where there is no terminal, for instance in a log, a line is printed this often instead of the bar."""


class Bar:
    """A progress bar that also satisfies :class:`twinspect.training.trainer.Progress`."""

    def __init__(self) -> None:
        # Without a terminal no bar is drawn, and its package, slow to import, is not needed.
        self._bar = _rich_progress() if sys.stderr.isatty() else None
        self._task: Any = None
        self._stage, self._total, self._done = "", 0, 0
        self._began = self._printed = time.monotonic()
        self._steps = 0

    def __enter__(self) -> Bar:  # noqa: PYI034 - it has no subclasses
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def start(self, stage: str, total: int, done: int = 0) -> None:
        """Begin a new stage of ``total`` steps."""
        self._began = self._printed = time.monotonic()
        self._steps = 0
        self._stage, self._total, self._done = stage, total, done
        if self._bar:
            self._task = self._bar.add_task(stage, total=total, completed=done, note="")

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Count steps."""
        self._steps += steps
        self._done += steps
        note = "" if loss is None else f"loss {loss:.4f}"
        if self._bar:
            self._bar.update(self._task, advance=steps, note=note)
        else:
            self._print_line(note)

    def finish(self) -> None:
        """End the stage."""

    def watch(self, stage: str, items: Iterable[Any], total: int) -> Iterator[Any]:
        """Pass items through, counting them."""
        self.start(stage, total)
        for item in items:
            yield item
            self.advance()

    def _print_line(self, note: str) -> None:
        now = time.monotonic()
        if now - self._printed < SECONDS_BETWEEN_LINES:
            return
        self._printed = now
        left = (now - self._began) / self._steps * (self._total - self._done)
        print(f"{self._stage} {self._done}/{self._total} {note} {left:.0f} s left", file=sys.stderr)


def _rich_progress() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
    )


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
    return text.replace("[", "\\[")


def warn(text: str) -> None:
    """Print a note on standard error."""
    print(f"twinspect: {text}", file=sys.stderr)


def warn_of_suspects(calibration: Calibration) -> None:
    """Name good images with suspiciously high scores: the threshold may rest on one of them."""
    for name, score in calibration.suspects():
        role = "sets the threshold" if score == calibration.threshold else "is in the calibration"
        warn(
            f"{name} {role}, but its score of {score:.4g} is far above the other good images' (median "
            f"{statistics.median(calibration.scores):.4g}): if it is not good, take it out and fit again"
        )
