"""Writing files so that a crash or a full disk leaves the old one whole."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it to the disk, then move it there.

    Raises:
        OSError: the disk is full or not writable; whatever was at ``path`` is untouched.
    """
    with replacing(path) as temporary:
        write_durably(temporary, content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file name beside ``path`` that takes its place if the block ends well.

    The name is nobody else's: threads, processes and machines may write the same file at once.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it.

    Raises:
        OSError: the disk is full or not writable.
    """
    with Path(path).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
