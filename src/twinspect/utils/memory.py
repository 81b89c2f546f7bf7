"""How much memory is free, and running out of it as one kind of error."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

TOO_LARGE: Final = "too large: it needs more memory than there is; split it into several files"
_CGROUP: Final = Path("/sys/fs/cgroup")
_UNKNOWN: Final = 2**62
"""Stands for as much as anybody could want."""
_OUT_OF_MEMORY: Final = re.compile(r"out of memory|bad_?\s?alloc|allocate memory", re.IGNORECASE)
"""How runtimes say so that have no error of their own for it."""


def available_memory() -> int:
    """Return how many bytes this process can still take, by the machine and by its container."""
    return max(0, min(_free_on_machine(), _free_in_container()))


def _free_on_machine() -> int:
    try:
        import psutil  # noqa: PLC0415 - an installation without torch may lack it
    except ImportError:
        return _UNKNOWN
    return int(psutil.virtual_memory().available)


def _free_in_container() -> int:
    """Read what a container's limit leaves; the kernel gives memory of files back when it is needed."""
    with suppress(OSError, ValueError):
        limit = int((_CGROUP / "memory.max").read_text())  # "max" where there is none
        used = int((_CGROUP / "memory.current").read_text())
        statistics = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return limit - used + int(statistics.get("inactive_file", 0))
    return _UNKNOWN


@contextmanager
def naming_exhaustion() -> Iterator[None]:
    """Raise what runtimes raise when they get no memory as a :class:`MemoryError`."""
    try:
        yield
    except RuntimeError as error:
        if _OUT_OF_MEMORY.search(str(error)):
            raise MemoryError from error
        raise
