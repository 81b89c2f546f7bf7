"""Images on disk, each once, named by its content: no client's name ever becomes a path."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twinspect.errors import ConfigError, NotStoredError, StoreError
from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredImage:
    """An image that is safely on disk.

    Attributes:
        sha256: of its bytes, 64 lower-case hexadecimal digits.
        suffix: of its format, such as ``.png``.
        path: where it lies.
        width: in pixels.
        height: in pixels.
        data: its bytes, kept until it is accepted, since retention may remove an old copy at any moment.
    """

    sha256: str
    suffix: str
    path: Path
    width: int
    height: int
    data: bytes = field(repr=False)

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return len(self.data)


class Archive:
    """A folder of images.

    Args:
        folder: created if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(
            256
        ):  # all at once, so that no image ever waits until its folder's name is flushed
            (folder / f"{number:02x}").mkdir(exist_ok=True)
        _flush_folder(folder)

    def put(self, data: bytes, suffix: str, width: int, height: int) -> StoredImage:
        """Store an image; when this returns, all of it is on disk. Several threads may store the same one at once.

        Args:
            data: the file as received, checked to be an image.
            suffix: of its format, one of :data:`twinspect.images.formats.IMAGE_SUFFIXES`.
            width: in pixels.
            height: in pixels.

        Raises:
            ConfigError: the suffix is not one of an image.
            OSError: the disk is full or not writable.
        """
        if suffix not in IMAGE_SUFFIXES:
            raise ConfigError(
                f"an image's suffix is one of {', '.join(sorted(IMAGE_SUFFIXES))}; got {suffix!r}"
            )
        sha256 = hashlib.sha256(data).hexdigest()
        image = StoredImage(sha256, suffix, self._path(sha256, suffix), width, height, data)
        self.restore(image)
        return image

    def restore(self, image: StoredImage) -> None:
        """Write an image again unless its file is complete.

        Raises:
            OSError: the disk is full or not writable.
        """
        if _file_size(image.path) != image.bytes:
            write_atomically(image.path, image.data)
        _flush_folder(
            image.path.parent
        )  # even if another process wrote it, which may not have flushed it yet

    def path(self, sha256: str) -> Path:
        """Return the path of an image.

        Raises:
            NotStoredError: it is not there (any more), or this is not the name of an image.
        """
        for path in self._candidate_paths(sha256):
            if path.is_file():
                return path
        raise NotStoredError(
            f"no image {sha256[:64]!r} in the archive; it was never stored, or removed since"
        )

    def read(self, sha256: str) -> bytes:
        """Read an image and check that it is unchanged.

        Raises:
            NotStoredError: it is not there (any more).
            StoreError: the file was altered.
        """
        path = self.path(sha256)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"{path} is not what was stored: the disk is damaged, or the file was changed")
        return data

    def remove(self, sha256: str) -> None:
        """Delete an image's file if it exists."""
        for path in self._candidate_paths(sha256):
            path.unlink(missing_ok=True)

    def files(self) -> Iterator[Path]:
        """List every file, including those that a crash left partly written."""
        for folder in sorted(self.folder.iterdir()):
            yield from sorted(folder.iterdir())

    def _path(self, sha256: str, suffix: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}{suffix}"

    def _candidate_paths(self, sha256: str) -> list[Path]:
        known = sorted(IMAGE_SUFFIXES) if _NAME.fullmatch(sha256) else []
        return [self._path(sha256, suffix) for suffix in known]


def _file_size(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def _flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk: a file whose name is lost is lost, too."""
    if os.name == "nt":  # Windows cannot open folders, and flushes names by itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
