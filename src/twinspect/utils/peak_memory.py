"""Peak memory use of the process and of the GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""Written to clear_refs, it resets the peak of a process's resident memory, see proc(5)."""


def reset() -> None:
    """Forget earlier peaks, where the system allows it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:  # outside Linux the peak is that of the whole life of the process
        return


def resident_bytes() -> int | None:
    """Return the most resident memory of this process since :func:`reset`, in bytes; ``None`` on Windows."""
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - not there on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB


def gpu_bytes() -> int | None:
    """Return the most memory of tensors on the GPU since :func:`reset`, in bytes; ``None`` without CUDA."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
