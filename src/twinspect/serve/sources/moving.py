"""Moving files without ever overwriting one: crash-safe, also to another disk."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import count
from typing import TYPE_CHECKING

from twinspect.utils.files import atomic_replacement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def move_without_overwriting(source: Path, target: Path) -> Path:
    """Move a file, to a numbered name where its name is taken.

    An empty file reserves the name first, since no system renames a file only if the new name is free. A crash leaves
    the whole file at one place or the other, at worst at both.

    Args:
        source: what is moved; the file itself where it is a link.
        target: where to; missing folders are created.

    Returns:
        Where it is now: ``target``, or beside it ``name-2.png``, ``name-3.png`` and so on.

    Raises:
        OSError: it cannot be moved; then it is where it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    place = _reserve(target)
    try:
        _replace(source, place)
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return place


def _reserve(target: Path) -> Path:
    """Create an empty file of the first free name."""
    for place in _candidates(target):
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            continue
        return place
    raise AssertionError("there is no end of names")


def _candidates(target: Path) -> Iterator[Path]:
    yield target
    for number in count(2):
        yield target.with_name(f"{target.stem}-{number}{target.suffix}")


def _replace(source: Path, place: Path) -> None:
    """Rename a file; copy it to another disk, and where it is a link, which might lead nowhere from there."""
    if not source.is_symlink():
        try:
            source.replace(place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            return
    with atomic_replacement(place) as temporary:
        shutil.copy2(source, temporary)
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
    source.unlink()
