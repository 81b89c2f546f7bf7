"""Images on the disk, each once, named by what it holds: no name of a client ever becomes a path."""

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
    """An image that is safely on the disk.

    Attributes:
        sha256: of its bytes, 64 lower-case hexadecimal digits.
        suffix: of its format, such as ``.png``.
        path: where it lies.
        width: in pixels.
        height: in pixels.
        data: its bytes, kept until it is accepted: retention may remove an old copy in that very moment.
    """

    sha256: str
    suffix: str
    path: Path
    width: int
    height: int
    data: bytes = field(repr=False)

    @property
    def bytes(self) -> int:
        """Its size as a file."""
        return len(self.data)


class Archive:
    """A folder of images.

    Args:
        folder: made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(
            256
        ):  # all at once, so that no image ever waits for its folder's name to be flushed
            (folder / f"{number:02x}").mkdir(exist_ok=True)
        _flush_folder(folder)

    def put(self, data: bytes, suffix: str, width: int, height: int) -> StoredImage:
        """Keep an image; when this returns, the disk has it whole. Any number may put the same at once.

        Args:
            data: the file as it came, checked to be an image.
            suffix: of the format that it is, one of :data:`twinspect.images.formats.IMAGE_SUFFIXES`.
            width: in pixels.
            height: in pixels.

        Raises:
            ConfigError: a suffix of no image.
            OSError: the disk is full or not writable.
        """
        if suffix not in IMAGE_SUFFIXES:
            raise ConfigError(
                f"an image's suffix is one of {', '.join(sorted(IMAGE_SUFFIXES))}; got {suffix!r}"
            )
        sha256 = hashlib.sha256(data).hexdigest()
        image = StoredImage(sha256, suffix, self._place(sha256, suffix), width, height, data)
        self.restore(image)
        return image

    def restore(self, image: StoredImage) -> None:
        """Write an image again unless it is there as it was put.

        Raises:
            OSError: the disk is full or not writable.
        """
        if _size(image.path) != image.bytes:
            write_atomically(image.path, image.data)
        _flush_folder(
            image.path.parent
        )  # also where somebody else wrote it, who may not have come this far yet

    def path(self, sha256: str) -> Path:
        """Find an image.

        Raises:
            NotStoredError: it is not there (any more), or that is no name of one.
        """
        for place in self._places(sha256):
            if place.is_file():
                return place
        raise NotStoredError(
            f"no image {sha256[:64]!r} in the archive; it was never stored, or removed since"
        )

    def read(self, sha256: str) -> bytes:
        """Read an image and check that it is what was put.

        Raises:
            NotStoredError: it is not there (any more).
            StoreError: the file was altered.
        """
        path = self.path(sha256)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(
                f"{path} is not what was stored: the disk is damaged, or somebody changed the file"
            )
        return data

    def remove(self, sha256: str) -> None:
        """Delete an image's file, if it is there."""
        for place in self._places(sha256):
            place.unlink(missing_ok=True)

    def files(self) -> Iterator[Path]:
        """List every file, also those that a crash left half written."""
        for folder in sorted(self.folder.iterdir()):
            yield from sorted(folder.iterdir())

    def _place(self, sha256: str, suffix: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}{suffix}"

    def _places(self, sha256: str) -> list[Path]:
        known = sorted(IMAGE_SUFFIXES) if _NAME.fullmatch(sha256) else []
        return [self._place(sha256, suffix) for suffix in known]


def _size(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def _flush_folder(folder: Path) -> None:
    """Wait until the disk knows the names in a folder; a file whose name was lost is lost too."""
    if os.name == "nt":  # its folders cannot be opened, and it flushes names by itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
