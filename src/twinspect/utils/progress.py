"""Progress reports of long-running work."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress; the command line draws a bar, a script may ignore it."""

    def start(self, stage: str, total: int, done: int) -> None:
        """A stage of ``total`` steps begins, ``done`` of them already done."""

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """``steps`` more steps are done; while images are prepared there is no loss."""

    def finish(self) -> None:
        """The stage is over."""


class NoProgress:
    """Progress that nobody watches."""

    def start(self, stage: str, total: int, done: int) -> None:
        """Ignore."""

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""
