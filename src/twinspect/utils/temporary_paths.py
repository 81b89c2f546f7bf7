"""Temporary files and folders whose names say which process they belong to, so that others can clear them.

A killed process cannot clear what it leaves. Whoever works at the same place next does, but never takes anything from
a process that still runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
from typing import TYPE_CHECKING, Final

from twinspect.utils.processes import is_running, start_of_this_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABANDONED_AFTER: Final = 600.0
"""Seconds without a change after which what a process of another machine left counts as abandoned."""
_LONGEST_NAME: Final = 200
"""Longest name, in bytes, that is repeated in a temporary one; a file system allows 255."""
_NAME: Final = re.compile(
    r"\.(?P<name>.+)\.(?P<host>[0-9a-f]{6})-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{4}\.tmp", re.DOTALL
)


def temporary_beside(path: Path) -> Path:
    """Name a temporary file or folder beside its place, for this process alone."""
    owner = f"{_this_host()}-{os.getpid()}-{start_of_this_process():.0f}-{os.urandom(2).hex()}"
    return path.with_name(f".{_shortened(path.name)}.{owner}.tmp")


def abandoned(path: Path) -> list[Path]:
    """List what processes that no longer run have left beside a place."""
    name = _shortened(path.name)
    return [temporary for found, temporary in abandoned_in(path.parent) if found == name]


def abandoned_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """List what processes that no longer run have left in a folder, each with the name of its place."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        found = _NAME.fullmatch(path.name)
        if found and not _is_owned(found, path):
            yield found["name"], path


def clear_abandoned(path: Path) -> None:
    """Delete what processes that no longer run have left beside a place, as far as that is possible."""
    for temporary in abandoned(path):
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _is_owned(found: re.Match[str], path: Path) -> bool:
    if found["host"] == _this_host():
        return is_running(int(found["pid"]), float(found["start"])) is not False
    try:
        return time.time() - path.stat().st_mtime < ABANDONED_AFTER
    except FileNotFoundError:  # its owner was faster
        return True


def _shortened(name: str) -> str:
    encoded = os.fsencode(name)
    return name if len(encoded) <= _LONGEST_NAME else hashlib.sha256(encoded).hexdigest()


def _this_host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
