"""A child process that outlives the server: started, found again after a restart, paused and ended."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil

from twinspect.utils.progress_bar import PROGRESS_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMMAND: Final = (sys.executable, "-m", "twinspect")
NICENESS: Final = 10
"""On Unix: the scheduler gives the processor to the server first."""
_POOLS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_STARTED: Final[dict[int, subprocess.Popen[bytes]]] = {}
"""What this server has started, to let the system know that it has noticed their end."""
_READ_OF_LOG: Final = 20_000


@dataclass(frozen=True)
class ChildProcess:
    """A process, told from later ones of the same number by when it began.

    Attributes:
        pid: its number.
        began: when, in seconds since 1970 as the system counts them.
    """

    pid: int
    began: float

    @classmethod
    def start(cls, arguments: Sequence[str], log: Path, progress: Path) -> ChildProcess:
        """Start ``twinspect`` with arguments, on one thread and behind other work.

        Args:
            arguments: of the command line.
            log: gets what it prints.
            progress: gets where it stands, see :class:`twinspect.utils.progress_file.ProgressFile`.
        """
        environment = {
            **os.environ,
            **dict.fromkeys(_POOLS, "1"),
            PROGRESS_FILE: str(progress),
            "PYTHONUNBUFFERED": "1",
        }
        with log.open("wb") as output:  # what an earlier attempt said is over
            started = subprocess.Popen(  # noqa: S603 - our own command line
                [*COMMAND, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,  # Ctrl-C in the server's terminal is not for it
            )
        _STARTED[started.pid] = started
        process = psutil.Process(started.pid)
        with suppress(psutil.Error, OSError):
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS)
        return cls(started.pid, process.create_time())

    @classmethod
    def from_record(cls, record: dict[str, Any] | None) -> ChildProcess | None:
        """Return the process that :meth:`to_record` described."""
        return cls(int(record["pid"]), float(record["began"])) if record else None

    def to_record(self) -> dict[str, Any]:
        """Describe the process in plain JSON values."""
        return asdict(self)

    def is_running(self) -> bool:
        """Tell whether it has not ended."""
        own = _STARTED.get(self.pid)
        if own is not None and own.poll() is not None:
            del _STARTED[self.pid]
            return False
        return self._find() is not None

    def stop(self) -> None:
        """Ask it to end; a training writes a checkpoint first."""
        process = self._find()
        if process is not None:
            with suppress(psutil.Error):
                process.terminate()

    def kill(self) -> None:
        """End it at once."""
        process = self._find()
        if process is not None:
            with suppress(psutil.Error):
                process.kill()

    def _find(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            return process if abs(process.create_time() - self.began) < 1 else None
        except psutil.Error:
            return None


def last_error(log: Path) -> str | None:
    """Return the error that the command line printed last; ``None`` where it ended without one, as when killed."""
    mark = "twinspect: error: "
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _READ_OF_LOG))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    last = next((line for line in reversed(lines) if line.strip()), "")
    return last.partition(mark)[2] if mark in last else None
