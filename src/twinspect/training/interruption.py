"""Ctrl-C and SIGTERM during a training: handled between two steps, so that a checkpoint is whole."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@dataclass
class Interruption:
    """Whether a signal requested the loop to stop."""

    requested: bool = False


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Let the loop handle Ctrl-C and SIGTERM between two steps; a second signal interrupts at once."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield interruption
        return

    def request(_number: int, _frame: FrameType | None) -> None:
        if interruption.requested:
            raise KeyboardInterrupt
        interruption.requested = True

    previous: dict[int, Any] = {}
    for watched in (signal.SIGINT, signal.SIGTERM):
        previous[watched] = signal.signal(watched, request)
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
