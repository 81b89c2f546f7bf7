"""What has arrived in a folder, and whether it has arrived whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.serve.store.text import storable_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path, PurePath


@dataclass(frozen=True)
class Arrival:
    """An image file as one look found it.

    Attributes:
        path: absolute.
        modified: when it was written last, in nanoseconds.
        size: in bytes.
    """

    path: str
    modified: int
    size: int

    @property
    def key(self) -> str:
        """What the store tells it apart by; a file that is written again is another arrival."""
        return f"{storable_text(self.path)}|{self.modified}|{self.size}"


def folder_names(folders: Sequence[PurePath]) -> list[str]:
    """Call folders by the ends of their paths, as short as they stay different.

    Args:
        folders: absolute, each once.

    >>> from pathlib import PurePosixPath
    >>> folder_names([PurePosixPath(f"/plant/{side}/line 1") for side in ("north", "south")])
    ['north/line 1', 'south/line 1']
    """
    for length in range(1, max((len(each.parts) for each in folders), default=1)):
        names = [storable_text(type(each)(*each.parts[-length:]).as_posix()) for each in folders]
        if len(set(names)) == len(names):
            return names
    return [storable_text(str(each)) for each in folders]


def scan_folder(folder: Path, leave_out: Collection[Path] = ()) -> Iterator[Arrival]:
    """List the image files of a folder and all folders below it, in any order, without opening one.

    Hidden files and folders are passed over, and folders that cannot be opened. A folder is read once, also where
    links lead to it twice.

    Args:
        folder: where to look.
        leave_out: folders that are not looked into.
    """
    return _scan(os.path.abspath(folder), {os.path.realpath(each) for each in leave_out})  # noqa: PTH100 - links stay


def _scan(folder: str, seen: set[str]) -> Iterator[Arrival]:
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir():
                yield from _scan(entry.path, seen)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES and entry.is_file():  # noqa: PTH122 - 100,000
                about = entry.stat()
                yield Arrival(entry.path, about.st_mtime_ns, about.st_size)
        except OSError:  # gone meanwhile
            continue


class UnfinishedFiles:
    """Tells files that are whole from those that are still being written.

    Args:
        grace: seconds after which a file that does not change any more, and still is no image, is given up.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._since: dict[str, float] = {}
        self._tried: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many files are not settled yet."""
        return len(self._since)

    def look(self, found: list[Arrival], now: float) -> list[Arrival]:
        """Give the files to try now, the oldest first: as the look before found them, and not tried yet.

        A file that was tried in vain comes once more when its grace is over; its bytes may have come late, under the
        same time and size.

        Args:
            found: all files that are not known to be done with.
            now: in seconds, by a clock that only goes forward.
        """
        keys = {each.key for each in found}
        before = {key: since for key, since in self._since.items() if key in keys}
        self._since = {key: before.get(key, now) for key in keys}
        self._tried &= keys
        ripe = [
            each
            for each in found
            if each.key in before and (each.key not in self._tried or self.is_over(each, now))
        ]
        return sorted(ripe, key=lambda each: (each.modified, each.path))

    def tried(self, arrival: Arrival) -> None:
        """Note that a file is no image yet."""
        self._tried.add(arrival.key)

    def is_over(self, arrival: Arrival, now: float) -> bool:
        """Tell whether a file has had all the time it gets."""
        return now - self._since[arrival.key] >= self._grace

    def done(self, arrival: Arrival) -> None:
        """Forget a file that is dealt with."""
        del self._since[arrival.key]
        self._tried.discard(arrival.key)
