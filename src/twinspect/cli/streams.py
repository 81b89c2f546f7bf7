"""Standard output and error, whatever they are connected to."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


class Unheard(io.TextIOWrapper):
    """A stream that goes on where nobody reads it any more: what it says must not stop what is being done."""

    def write(self, text: str) -> int:
        """Write as far as that is possible."""
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Write what is buffered as far as that is possible."""
        try:
            super().flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # or the next one fails too


def prepare_streams() -> None:
    """Let output name files whose letters it does not have, and messages go on where standard error is closed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # None stands for a closed file descriptor; what is for standard error would be printed on standard output.
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        encoding = sys.stderr.encoding
        sys.stderr = Unheard(sys.stderr.detach(), encoding, "backslashreplace", line_buffering=True)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for the rest of the process
