"""The live lines at the bottom of a terminal: finished bars, the running one, or a stage and how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from rich.progress import TaskID

REFRESHES: Final = 4
"""How often a second the lines are drawn: seen to move, at no cost on one processor."""


SHORT: Final = 2.0
"""Seconds; a shorter bar is not worth a line once it is full."""


class LiveDisplay:
    """Bars that stay once they are full, and below them a stage that disappears when it is over.

    Lines are on standard error. What is printed there meanwhile appears above them; standard output is left alone,
    for it may be a pipe.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._stage = Progress(
            SpinnerColumn(), TextColumn("{task.description} …"), TimeElapsedColumn(), console=self._console
        )
        self._live: Live | None = None

    def show_stage(self, text: str) -> None:
        """Replace the stage."""
        self.clear_stage()
        self._stage.add_task(text, total=None)
        self._draw()

    def clear_stage(self) -> None:
        """Remove the stage, and draw nothing more unless there are bars."""
        _empty(self._stage)
        if not self._bars.tasks:
            self.close()

    def add_bar(self, text: str, total: int, done: int) -> TaskID:
        """Draw another bar below those of earlier stages."""
        self.clear_stage()
        task = self._bars.add_task(text, total=total, completed=done, note="")
        self._draw()
        return task

    def advance(self, task: TaskID, steps: int, note: str) -> None:
        """Count steps of a bar."""
        self._bars.update(task, advance=steps, note=note)

    def end(self, task: TaskID | None) -> None:
        """End a bar, which disappears if it was short, or the stage."""
        bar = next((bar for bar in self._bars.tasks if bar.id == task), None)
        if bar is not None and (bar.elapsed or 0.0) < SHORT:
            self._bars.remove_task(bar.id)
        self.clear_stage()

    def close(self) -> None:
        """Leave the bars as they are, and draw nothing more; the next bar begins below."""
        if self._live is None:
            return
        _empty(self._stage)
        self._live.transient = not self._bars.tasks
        self._live.stop()
        self._live = None
        _empty(self._bars)

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(
                Group(self._bars, self._stage),
                console=self._console,
                refresh_per_second=REFRESHES,
                redirect_stdout=False,
            )
            self._live.start()
        self._live.refresh()


def _empty(lines: Progress) -> None:
    for task in lines.task_ids:
        lines.remove_task(task)
