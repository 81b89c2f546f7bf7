"""What long work tells about itself while it goes on."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What the loop tells about itself; the command line draws a bar, a script may do nothing."""

    def start(self, stage: str, total: int, done: int) -> None:
        """A stage of ``total`` steps begins, ``done`` of them already made."""

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """So many more steps are done; while images are prepared there is no loss."""

    def finish(self) -> None:
        """The stage is over."""


class Silent:
    """Progress that nobody watches."""

    def start(self, stage: str, total: int, done: int) -> None:
        """Ignore."""

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""
