"""Which process works on a run, and whether it is still alive."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from typing import Final

import psutil

from twinspect.utils.processes import UNKNOWN_START, is_running

HEARTBEAT_SECONDS: Final = 15.0
DEAD_AFTER_SECONDS: Final = 300.0
"""After so many seconds without a heartbeat a process that cannot be looked up is taken for dead."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process.

    Attributes:
        host: the name of its machine.
        pid: its number there.
        process: when it was started, in seconds since 1970, so that a number that was given to another process does
            not pass for the old one. Earlier versions wrote other text, which is never compared.
    """

    host: str
    pid: int
    process: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """Identify a living process of this machine."""
        return cls(socket.gethostname(), pid, str(psutil.Process(pid).create_time()))

    def is_alive(self, heartbeat: float, now: float | None = None) -> bool:
        """Tell whether the process still works.

        On this machine the process itself is looked up, and its heartbeat does not count: a suspended process is
        alive. On other machines, and where the look-up gives no answer, the heartbeat decides.

        Args:
            heartbeat: time of the last one, in seconds since 1970.
            now: the current time, in the same unit; ``None`` for the clock's.
        """
        if self.host == socket.gethostname():
            running = is_running(self.pid, self._started)
            if running is not None and not (running and self._started == UNKNOWN_START):
                return running
        return (time.time() if now is None else now) - heartbeat < DEAD_AFTER_SECONDS

    @property
    def _started(self) -> float:
        try:
            return float(self.process)
        except ValueError:  # written by an earlier version
            return UNKNOWN_START


@cache
def this_process() -> ProcessIdentity:
    """Identify the process that asks."""
    return ProcessIdentity.of(os.getpid())
