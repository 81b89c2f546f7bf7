"""Replacing a folder as a whole: whenever the process is killed, the old or the new one is there, or is put back.

Linux exchanges two folders in one step. Elsewhere the old one is moved aside and the new one into its place; if the
process is killed between the two, whoever reads or writes the folder next finishes its work.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from twinspect.utils.temporary_paths import abandoned, abandoned_in, clear_abandoned, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NEW, _OLD = "new", "old"
_CURRENT_FOLDER: Final = -100
"""AT_FDCWD: relative paths count from the current folder."""
_EXCHANGE: Final = 2
"""RENAME_EXCHANGE, see rename(2)."""


@contextmanager
def replacement_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of ``folder`` if the block ends without an error.

    What killed processes left there is cleared first. A symbolic link stays; the folder it points to is replaced.

    Raises:
        OSError: the folder could not be replaced; the old one is in its place.
    """
    target = folder.resolve()
    recover_folder(target)
    clear_abandoned(target)
    temporary = temporary_beside(target)
    try:
        fresh = temporary / _NEW
        fresh.mkdir(parents=True)
        yield fresh
        if not (target.exists() and _exchange(fresh, target)):
            _move(fresh, target, temporary / _OLD)
    finally:
        if target.exists() or not (temporary / _OLD).exists():  # else the old folder could not be put back
            shutil.rmtree(temporary, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Finish what a killed process began: put a complete new folder into the place that it had cleared for it."""
    target = folder.resolve()
    if not target.exists():
        for temporary in abandoned(target):
            _finish(temporary, target)


def recover_folders_in(parent: Path) -> None:
    """Do the same for every folder in another one."""
    for name, temporary in abandoned_in(parent):
        _finish(temporary, parent / name)


def _finish(temporary: Path, target: Path) -> None:
    # The old folder is moved aside only when the new one is complete.
    if (temporary / _OLD).exists() and not target.exists():
        with suppress(OSError):
            (temporary / _NEW).rename(target)


def _move(fresh: Path, target: Path, aside: Path) -> None:
    """Replace a folder in two steps; if the second fails, or Ctrl-C comes between them, the first is undone."""
    try:
        if target.exists():
            target.rename(aside)
        fresh.rename(target)
    except BaseException:
        if aside.exists() and not target.exists():
            aside.rename(target)
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, and tell whether system and file system can."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)  # other C libraries, and old ones, lack it
    if rename is None:
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(rename(_CURRENT_FOLDER, paths[0], _CURRENT_FOLDER, paths[1], _EXCHANGE) == 0)
