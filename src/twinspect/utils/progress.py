"""Progress reports of long-running work.

Work that is given no :class:`Progress` reports to the one of :func:`report_to`, which the command line sets; without
one nobody is told. In a notebook, calls from Python are shown unasked.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


class Progress(Protocol):
    """Receives progress; the command line draws a bar, a script may ignore it."""

    def start(self, stage: str, total: int, done: int) -> None:
        """A stage of ``total`` steps begins, ``done`` of them already done; 0 for a stage without steps to count."""

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """``steps`` more steps are done; while images are prepared there is no loss."""

    def finish(self) -> None:
        """The stage is over."""


AUTO: Final = "auto"
ProgressChoice: TypeAlias = Progress | bool | str | None
"""``"auto"``: bars in notebooks, nothing elsewhere; ``True``: bars anywhere, or lines where nothing can be drawn;
``False`` or ``None``: nothing; or an object with the methods of :class:`Progress`."""


class NoProgress:
    """Progress that nobody watches."""

    def start(self, stage: str, total: int, done: int) -> None:
        """Ignore."""

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""


_REPORTER: ContextVar[Progress] = ContextVar("reporter", default=NoProgress())  # noqa: B039 - it has no state
_STAGE: ContextVar[str] = ContextVar("stage", default="")
"""The stage that was announced and lasts."""


@contextmanager
def report_to(progress: Progress) -> Iterator[None]:
    """Tell ``progress`` of the stages of this thread, while in the block."""
    token = _REPORTER.set(progress)
    try:
        yield
    finally:
        _REPORTER.reset(token)


@contextmanager
def watched(progress: ProgressChoice) -> Iterator[Progress | None]:
    """Give the progress that a call reports to, which is told of the stages of the block too.

    Raises:
        ConfigError: it is none of :data:`ProgressChoice`.
    """
    if isinstance(progress, bool | str | None):
        if progress not in (AUTO, True, False, None):
            raise ConfigError(
                f"progress={progress!r}; allowed are 'auto', True, False, or an object to report to"
            )
        bar = _bar(progress)
    else:
        bar = nullcontext(progress)
    with bar as told, report_to(told) if told else nullcontext():
        yield told


def _bar(progress: bool | str | None) -> AbstractContextManager[Progress | None]:
    """Make the bar, if one is wanted and nobody is told already."""
    from twinspect.utils.notebooks import in_notebook  # noqa: PLC0415 - for calls from Python

    noted = in_notebook()
    is_free = isinstance(_REPORTER.get(), NoProgress)
    if not (progress is True or (progress == AUTO and noted and is_free)):
        return nullcontext(None)
    if not noted:
        from twinspect.utils.progress_bar import Bar  # noqa: PLC0415

        return Bar()
    from twinspect.utils.notebook_bar import NotebookBar  # noqa: PLC0415

    return NotebookBar()


def announce(stage: str) -> None:
    """Say what is done from now on, until the next stage or :func:`finish`."""
    _STAGE.set(stage)
    _REPORTER.get().start(stage, 0, 0)


def finish() -> None:
    """Say that the stage that was announced is over and none follows yet."""
    _STAGE.set("")
    _REPORTER.get().finish()


@contextmanager
def interlude(stage: str) -> Iterator[None]:
    """Announce what interrupts the stage that lasts, and come back to that one."""
    interrupted = _STAGE.get()
    announce(stage)
    try:
        yield
    finally:
        if interrupted:
            announce(interrupted)
        else:
            finish()


def tracked(stage: str, items: Iterable[T], total: int) -> Iterator[T]:
    """Pass items through and count them as the steps of a stage."""
    progress = _REPORTER.get()
    _STAGE.set("")
    progress.start(stage, total, 0)
    for item in items:
        yield item
        progress.advance()
    progress.finish()
