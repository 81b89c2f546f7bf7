"""Progress in a notebook: bars below the cell, which need no widgets, and stay as text once they are full."""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from twinspect.utils.notebooks import as_html, display_html
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LONG: Final = 2.0
"""Seconds of work from which on anything is shown; a stage that was shorter disappears when it is over."""
BETWEEN: Final = 0.5
"""Seconds between two updates: each is a message to the browser, and is kept in the notebook's file once."""


@dataclass
class _Stage:
    """A stage, and how far it is."""

    name: str
    total: int
    done: int
    began: float
    first: int
    note: str = ""
    seconds: float | None = None

    def to_html(self, now: float) -> str:
        """Write a line: a bar while it lasts, and what it took once it is over."""
        took = self.seconds if self.seconds is not None else now - self.began
        words = [f"{self.done}/{self.total}"] if self.total else []
        words += [self.note] if self.note else []
        words.append(f"{took:.0f} s")
        bar = ""
        if self.seconds is None and self.total:
            bar = f'<progress max="{self.total}" value="{self.done}"></progress> '
            left = took / max(1, self.done - self.first) * (self.total - self.done)
            words.append(f"{left:.0f} s left")
        return f"<div>{escape(spell(self.name))} {bar}{escape(', '.join(words))}</div>"


class NotebookBar:
    """The stages of a call below its cell, as a :class:`twinspect.utils.progress.Progress`.

    Args:
        clock: gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._drawn = clock()
        self._over: list[_Stage] = []
        self._stage: _Stage | None = None
        self._shown: Any = None

    def __enter__(self) -> NotebookBar:  # noqa: PYI034 - it has no subclasses
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()
        if self._shown is not None:
            self._shown.update(as_html(self._html()))

    def start(self, stage: str, total: int, done: int = 0) -> None:
        """Begin a stage of ``total`` steps, or of 0 if there are none to count."""
        self.finish()
        self._stage = _Stage(stage, total, done, self._clock(), done)
        self._draw()

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Count steps."""
        if self._stage is not None:
            self._stage.done += steps
            self._stage.note = "" if loss is None else f"loss {loss:.4f}"
            self._draw()

    def finish(self) -> None:
        """End the stage."""
        if self._stage is not None:
            self._stage.seconds = self._clock() - self._stage.began
            if self._stage.seconds >= LONG:
                self._over.append(self._stage)
        self._stage = None

    def _draw(self) -> None:
        """Draw if the work takes long, and not too often."""
        now = self._clock()
        if now - self._began < LONG or (self._shown is not None and now - self._drawn < BETWEEN):
            return
        self._drawn = now
        if self._shown is None:
            self._shown = display_html(self._html(), updated=True)
        else:
            self._shown.update(as_html(self._html()))

    def _html(self) -> str:
        stages = [*self._over, *([self._stage] if self._stage else [])]
        return "".join(stage.to_html(self._clock()) for stage in stages) or "<div></div>"
