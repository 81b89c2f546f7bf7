"""Which files have arrived in a folder, and whether they are complete."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.data.own_output import own_reason
from twinspect.data.system_files import system_reason
from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.utils.spelling import spell, unspell

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import PurePath


@dataclass(frozen=True)
class Arrival:
    """An image file as one scan found it.

    Attributes:
        path: absolute.
        modified: modification time, in nanoseconds.
        size: in bytes.
    """

    path: str
    modified: int
    size: int

    @property
    def key(self) -> str:
        """The key that identifies it in the store; a file that is written again is another arrival."""
        return f"{spell(self.path)}|{self.modified}|{self.size}"


def find_arrival(key: str) -> Path | None:
    """Find the file that an arrival's key identifies; ``None`` if it is gone or was written again."""
    text, modified, size = key.rsplit("|", 2)
    for path in dict.fromkeys((Path(unspell(text)), Path(text))):
        with suppress(OSError, ValueError):
            stat = path.stat()
            if (stat.st_mtime_ns, stat.st_size) == (int(modified), int(size)):
                return path
    return None


def folder_names(folders: Sequence[PurePath]) -> list[str]:
    """Name folders by the shortest ends of their paths that are distinct; clients see no more of the paths.

    Args:
        folders: absolute, each once.

    >>> from pathlib import PurePosixPath
    >>> folder_names([PurePosixPath(f"/plant/{side}/line 1") for side in ("north", "south")])
    ['north/line 1', 'south/line 1']
    >>> folder_names([PurePosixPath("/line 1"), PurePosixPath("/plant/line 1")])
    ['line 1', 'plant/line 1']
    """
    ends = [folder.relative_to(folder.anchor) for folder in folders]
    for length in range(1, max((len(end.parts) for end in ends), default=0) + 1):
        names = [spell(type(end)(*end.parts[-length:]).as_posix()) for end in ends]
        if len(set(names)) == len(names):
            return names
    return [spell(str(folder)) for folder in folders]


def scan_folder(folder: Path, leave_out: Collection[Path] = ()) -> Iterator[Arrival]:
    """List the image files of a folder and its subfolders, in any order, without opening any.

    Hidden files and folders, those that systems make or twinspect writes, and folders that cannot be opened are
    skipped. A folder is scanned once, even if several links lead to it.

    Args:
        folder: the folder to scan.
        leave_out: folders to skip.
    """
    return _scan(os.path.abspath(folder), {os.path.realpath(path) for path in leave_out})  # noqa: PTH100 - links stay


def _scan(folder: str, visited: set[str]) -> Iterator[Arrival]:
    real = os.path.realpath(folder)
    if real in visited:
        return
    visited.add(real)
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if system_reason(entry.name):
            continue
        try:
            is_folder = entry.is_dir()
            if own_reason(entry, is_folder=is_folder):
                continue
            if is_folder:
                yield from _scan(entry.path, visited)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES and entry.is_file():  # noqa: PTH122 - 100,000
                stat = entry.stat()
                yield Arrival(entry.path, stat.st_mtime_ns, stat.st_size)
        except OSError:  # it was removed meanwhile
            continue


class UnfinishedFiles:
    """Tells complete files from those that are still being written.

    Args:
        grace: seconds after which an unchanged file that is not an image is given up.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._since: dict[str, float] = {}
        self._tried: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many files are not finished yet."""
        return len(self._since)

    def select_ready(self, arrivals: list[Arrival], now: float) -> list[Arrival]:
        """Return the files to try now, the oldest first: unchanged since the last scan, and not tried yet.

        A file that could not be read is tried once more at the end of its grace period: its bytes may have arrived
        late, with time and size unchanged.

        Args:
            arrivals: all files that are not known to be finished.
            now: seconds of a monotonic clock.
        """
        keys = {arrival.key for arrival in arrivals}
        before = {key: since for key, since in self._since.items() if key in keys}
        self._since = {key: before.get(key, now) for key in keys}
        self._tried &= keys
        ready = [
            arrival
            for arrival in arrivals
            if arrival.key in before and (arrival.key not in self._tried or self.is_over(arrival, now))
        ]
        return sorted(ready, key=lambda arrival: (arrival.modified, arrival.path))

    def mark_tried(self, arrival: Arrival) -> None:
        """Record that a file is not an image yet."""
        self._tried.add(arrival.key)

    def is_over(self, arrival: Arrival, now: float) -> bool:
        """Tell whether a file's grace period is over."""
        return now - self._since[arrival.key] >= self._grace

    def remove(self, arrival: Arrival) -> None:
        """Remove a file that is finished."""
        del self._since[arrival.key]
        self._tried.discard(arrival.key)
