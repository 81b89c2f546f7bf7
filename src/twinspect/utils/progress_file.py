"""Progress in a file, for whoever started the process and shows it elsewhere."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

SECONDS_BETWEEN_WRITES: Final = 1.0


class ProgressFile:
    """Writes where the work stands as JSON: ``stage``, ``done``, ``total`` (0: not counted), ``left`` in seconds.

    A file that cannot be written is left as it is: progress is no reason to fail.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stage, self._total, self._done, self._first = "", 0, 0, 0
        self._began = self._written = 0.0

    def start(self, stage: str, total: int, done: int = 0) -> None:
        """Begin a stage."""
        self._stage, self._total, self._done, self._first = stage, total, done, done
        self._began = time.monotonic()
        self._write()

    def advance(self, steps: int) -> None:
        """Count steps."""
        self._done += steps
        if time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        record = {"stage": self._stage, "done": self._done, "total": self._total, "left": self._left()}
        with suppress(OSError):
            write_atomically(self._path, json.dumps(record).encode())

    def _left(self) -> float | None:
        made = self._done - self._first
        if not made or not self._total:
            return None
        return round((time.monotonic() - self._began) / made * (self._total - self._done), 1)
