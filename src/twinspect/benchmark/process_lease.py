"""Which process works on a run, and whether it still lives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

SECONDS_BETWEEN_BEATS: Final = 15.0
SILENT_FOR: Final = 300.0
"""After so many seconds without a heartbeat a process whose life cannot be looked at is taken for dead."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process.

    Attributes:
        host: the name of its machine.
        pid: its number there.
        process: when it was started, in whatever terms the system has; a number given anew to another process does
            not pass for the old one. Empty where the system does not say.
    """

    host: str
    pid: int
    process: str

    def lives(self, heartbeat: float, now: float | None = None) -> bool:
        """Tell whether the process still works.

        On this machine the process itself is looked at, and its heartbeat does not count: a suspended process
        lives. Of other machines, and where the system does not say, the heartbeat decides.

        Args:
            heartbeat: when it was last heard of, in seconds since 1970.
            now: likewise; ``None`` for the clock's.
        """
        if self.host == socket.gethostname() and self.process and (there := started(self.pid)) is not None:
            return there == self.process
        return (time.time() if now is None else now) - heartbeat < SILENT_FOR


@cache
def this_process() -> ProcessIdentity:
    """Describe the process that asks."""
    return ProcessIdentity(socket.gethostname(), os.getpid(), started(os.getpid()) or "")


def started(pid: int) -> str | None:
    """Say when a process of this machine was started; empty if there is none, ``None`` where nobody can tell."""
    if Path("/proc/self/stat").is_file():
        return _from_proc(pid)
    if sys.platform == "win32":
        return None
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def _from_proc(pid: int) -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name of the program, in brackets, may hold anything; see proc(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    state, ticks = fields[0], fields[19]
    return "" if state in "ZX" else f"{boot} {ticks}"
