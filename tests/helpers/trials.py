"""Hostile inputs tried one by one: each within limits of time and in a documented way, and counted by kind.

``pytest -m slow`` ends with the table of what was tried (``conftest.py`` prints it).
"""

from __future__ import annotations

import signal
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from twinspect.errors import TwinspectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

PROCESSOR_SECONDS, WAITING_SECONDS = 8.0, 20.0
"""An input hangs if it takes more: of the processor's time, which no other process shares, or of anybody's.

Much more than any input takes on a slow machine beside threads that an earlier test left behind (half a second here).
"""
SHOWN = 4


class Hang(BaseException):
    """An input took too long; no ``except Exception`` stops it."""


@dataclass
class Kind:
    """What was tried of a kind.

    Attributes:
        inputs: how many.
        refused: how many of them were refused in a line.
        slowest: processor seconds of the slowest.
        peak: MiB that the process grew by at most.
        tracebacks: of inputs that ended in an error that is not documented, or in more than a line.
        hangs: of inputs that were stopped.
    """

    inputs: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak: float = 0.0
    tracebacks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)


KINDS: dict[str, Kind] = {}


def seeds(short: int, long: int) -> Any:
    """Parametrise a test by its seeds: a few in the suite, many in the long run."""
    many = pytest.param(range(10_000, 10_000 + long), marks=pytest.mark.slow, id="long")
    return pytest.mark.parametrize("seeds", [pytest.param(range(short), id="short"), many])


class Trial:
    """Tries inputs of a kind."""

    def __init__(self, kind: str) -> None:
        self.kind = KINDS.setdefault(kind, Kind())

    def refusal(self, what: object, call: Callable[[], T], expected: type[Exception] = TwinspectError) -> str:
        """Try an input.

        Args:
            what: the seed, for the report of a fault.
            call: reads it.
            expected: the error that it may raise, in one line.

        Returns:
            The line with which it was refused; empty if it was not.
        """
        began, said = time.process_time(), ""
        self.kind.inputs += 1
        try:
            with limited():
                call()
        except expected as error:
            said = str(error) or "no message"
            self.kind.refused += 1
            if "\n" in said:
                self.kind.tracebacks.append(f"{what}: refused in more than a line: {said[:300]!r}")
        except Hang:
            self.kind.hangs.append(f"{what}: {traceback.format_exc(limit=-3)}")
        except Exception:  # noqa: BLE001 - this is what is looked for
            self.kind.tracebacks.append(f"{what}: {traceback.format_exc(limit=-4)}")
        self.kind.slowest = max(self.kind.slowest, time.process_time() - began)
        return said


@contextmanager
def trying(kind: str) -> Iterator[Trial]:
    """Try inputs of a kind, and fail in the end if one of them was not handled."""
    trial = Trial(kind)
    faults = len(trial.kind.tracebacks) + len(trial.kind.hangs)
    before = _reset_peak()
    yield trial
    trial.kind.peak = max(trial.kind.peak, _status("VmHWM") - before)
    found = trial.kind.tracebacks + trial.kind.hangs
    assert len(found) == faults, "\n".join([f"{len(found) - faults} faults", *found[-SHOWN:]])


@contextmanager
def limited() -> Iterator[None]:
    """Raise :class:`Hang` where the block takes too long."""

    def stop(*_: object) -> None:
        raise Hang

    began = time.monotonic()
    handlers = [(name, signal.signal(name, stop)) for name in (signal.SIGPROF, signal.SIGALRM)]
    # Again and again: Python drops what is raised while an object is finalised.
    signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS, 0.5)
    left, _ = signal.setitimer(signal.ITIMER_REAL, WAITING_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        # The alarm of whoever set one before, such as the time limit of a test.
        signal.setitimer(signal.ITIMER_REAL, max(0.1, left - (time.monotonic() - began)) if left else 0)
        for name, handler in handlers:
            signal.signal(name, handler)


def table() -> list[str]:
    """Write what was tried as the rows of a Markdown table."""
    head = "| kind | inputs | refused in a line | tracebacks | hangs | slowest, s | memory beyond the start, MiB |"
    rows = [
        f"| {name} | {kind.inputs} | {kind.refused} | {len(kind.tracebacks)} | {len(kind.hangs)} "
        f"| {kind.slowest:.2f} | {kind.peak:.0f} |"
        for name, kind in KINDS.items()
    ]
    kinds = KINDS.values()
    total = (
        f"| **all** | {sum(kind.inputs for kind in kinds)} | {sum(kind.refused for kind in kinds)} "
        f"| {sum(len(kind.tracebacks) for kind in kinds)} | {sum(len(kind.hangs) for kind in kinds)} "
        f"| {max(kind.slowest for kind in kinds):.2f} | {max(kind.peak for kind in kinds):.0f} |"
    )
    return [head, "|---|---:|---:|---:|---:|---:|---:|", *rows, total]


def _reset_peak() -> float:
    """Forget the largest memory so far, where the system can; return the memory now, in MiB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _status("VmHWM")
    return _status("VmRSS")


def _status(name: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024
