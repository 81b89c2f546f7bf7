"""What the processes of a command take, seen from outside, by Linux's /proc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def below(process: int) -> Iterator[int]:
    """Number the processes that a process began, and those that they did."""
    for task in tasks(process):
        for child in read(process, f"task/{task}/children").split():
            yield int(child)
            yield from below(int(child))


def resident(process: int) -> int:
    """Return its resident memory, in bytes; 0 if it has ended."""
    lines = read(process, "status").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"VmRSS:")), 0)


def cpu_seconds(process: int) -> float:
    """Return how long it has computed, in itself and in the system."""
    after_name = read(process, "stat").rpartition(b")")[2].split()
    return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


def tasks(process: int) -> list[str]:
    """Number its threads."""
    try:
        return [path.name for path in Path(f"/proc/{process}/task").iterdir()]
    except OSError:
        return []


def read(process: int, name: str) -> bytes:
    """Read what the system says of it; nothing if it has ended."""
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""
