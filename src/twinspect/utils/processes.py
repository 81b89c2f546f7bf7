"""Whether a process that left its number somewhere still runs."""

from __future__ import annotations

import os
from typing import Final

_TOLERANCE: Final = 5.0
"""Seconds by which the start of one process may differ between two look-ups, as the clock is adjusted."""
UNKNOWN_START: Final = 0.0
"""Stands for the start of a process where psutil is not installed."""


def start_of_this_process() -> float:
    """Return when this process was started, in seconds since 1970; ``UNKNOWN_START`` without psutil."""
    try:
        import psutil  # noqa: PLC0415 - not installed where only exports are scored
    except ImportError:
        return UNKNOWN_START
    return float(psutil.Process(os.getpid()).create_time())


def is_running(pid: int, started: float) -> bool | None:
    """Tell whether a process of this machine still runs; a zombie does not.

    Args:
        pid: its number.
        started: when it was started, in seconds since 1970, so that a number that was given to another process does
            not pass for the old one; ``UNKNOWN_START`` if that is not known.

    Returns:
        ``None`` where that cannot be told: without psutil, or because the process is another user's.
    """
    try:
        import psutil  # noqa: PLC0415 - not installed where only exports are scored
    except ImportError:
        return None
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False
        return bool(started == UNKNOWN_START or abs(process.create_time() - started) < _TOLERANCE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return None
