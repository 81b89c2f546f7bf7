"""One writer at a time, by locks of the operating system, which end with the process that holds them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from twinspect.errors import DataError, MissingExtraError
from twinspect.utils.files import companion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def single_writer(path: Path, lock_file: Path | None = None) -> Iterator[None]:
    """Keep other processes from writing the same file or folder until the block ends.

    The lock is on a file that stays: were it removed, two processes could each hold one.

    Args:
        path: what is written.
        lock_file: what is locked; ``None`` for a hidden file beside ``path``. Folders above it are created.

    Raises:
        DataError: another process writes it now.
        MissingExtraError: filelock is not installed.
        OSError: nothing can be written there.
    """
    try:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - slow to import
    except ImportError as error:  # without torch, packages are installed one by one
        raise MissingExtraError(
            f"writing {path} needs 'filelock', which is not installed; type: pip install filelock"
        ) from error
    lock_file = lock_file or companion(path, ".lock")
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise DataError(
            f"{path} is being written by another run; wait until that has ended, or choose another --out"
        ) from None
    except NotImplementedError:  # a file system without locks
        pass
    try:
        yield
    finally:
        lock.release()


def is_locked(lock_file: Path) -> bool:
    """Tell whether a process holds the lock of :func:`single_writer` on a file now."""
    if not lock_file.is_file():
        return False
    try:
        with single_writer(lock_file, lock_file):
            return False
    except DataError:
        return True
