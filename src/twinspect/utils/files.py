"""Reading files whole, and writing them so that a crash or a full disk leaves the old one whole."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_NAME: Final = 255
"""Bytes that the name of a file may have on most file systems."""
_CHUNK = 2**18
"""Bytes of a file that are read at once to be hashed."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it to the disk, then move it there.

    Raises:
        OSError: the disk is full or not writable; whatever was at ``path`` is untouched.
    """
    with atomic_replacement(path) as temporary:
        write_durably(temporary, content)


@contextmanager
def atomic_replacement(path: Path, temporary: Path | None = None) -> Iterator[Path]:
    """Give a temporary file name beside ``path``; the file replaces ``path`` if the block ends without an error.

    Args:
        path: the file to replace.
        temporary: the name to give; ``None`` for a unique one: threads, processes and machines may write the same
            file at once.
    """
    temporary = temporary or companion(path, f".{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def refuse_unwritable(path: Path, option: str) -> None:
    """Refuse a place for a file that will not be there to be written to once long work is done.

    Args:
        path: the file.
        option: which named it, for the message.

    Raises:
        ConfigError: names what is in the way.
    """
    _refuse_unwritable(path.absolute().parents, f"{option} {path}")


def refuse_no_folder(folder: Path, option: str) -> None:
    """Refuse a place for a folder where a file is, or where none can be made or written to.

    Args:
        folder: the folder, which need not exist.
        option: which named it, for the message.

    Raises:
        ConfigError: names what is in the way.
    """
    _refuse_unwritable((folder.absolute(), *folder.absolute().parents), f"{option} {folder}")


def _refuse_unwritable(folders: Iterable[Path], named: str) -> None:
    above = next(folder for folder in folders if os.path.lexists(folder))
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        reason = "cannot be written to" if above.is_dir() else "is not a folder"
        raise ConfigError(f"{named}: {above} {reason}; choose another place")


def companion(path: Path, ending: str) -> Path:
    """Name a hidden file that belongs to another and lies beside it; a name that would be too long is shortened.

    Args:
        path: the file that it belongs to.
        ending: tells it from other companions of that file.
    """
    name = f".{path.name}{ending}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}{ending}"
    return path.with_name(name)


def read_regular(path: Path) -> bytes:
    """Read a file whole; never a pipe or a device, whose content may have no end.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    _check_regular(path)
    return path.read_bytes()


def _check_regular(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))


def sha256_of_file(path: Path) -> str:
    """Hash a file, as ``sha256sum`` does, without holding all of it in memory.

    Raises:
        OSError: it cannot be read.
    """
    _check_regular(path)
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it.

    Raises:
        OSError: the disk is full or not writable.
    """
    with Path(path).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
