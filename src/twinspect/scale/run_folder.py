"""The folder that a run writes into: on a disk, or a prefix of an object store."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from twinspect.data.opening import as_path
from twinspect.scale.storage import fetch, filesystem, is_uri, patiently, told
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Folder(ABC):
    """Files by names such as ``rows/part-000000.parquet``; each is there whole or not at all."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Read one.

        Raises:
            OSError: it is not there, or cannot be read.
        """

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write one, replacing an older one at once.

        Raises:
            OSError: it cannot be written.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Tell whether one is there."""

    @abstractmethod
    def names(self, below: str) -> set[str]:
        """Name the files in a sub-folder, by their own names."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, or a sub-folder with all in it, if it is there."""


class LocalFolder(Folder):
    """On a disk.

    Args:
        path: the folder; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes:
        """Read a file."""
        return (self._path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write a file beside its place, then move it there."""
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)

    def has(self, name: str) -> bool:
        """Look for it."""
        return (self._path / name).is_file()

    def names(self, below: str) -> set[str]:
        """List a sub-folder; what a killed process left half written is not named."""
        folder = self._path / below
        found = folder.iterdir() if folder.is_dir() else ()
        return {path.name for path in found if not path.name.startswith(".")}

    def remove(self, name: str) -> None:
        """Remove what is there."""
        path = self._path / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class RemoteFolder(Folder):
    """A prefix of an object store, by fsspec; a file is put at once, or not at all.

    Args:
        uri: the prefix.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")
        self._system, self._path = filesystem(self._uri)

    def read(self, name: str) -> bytes:
        """Fetch a file."""
        return self._ask(lambda: fetch(f"{self._uri}/{name}"))

    def write(self, name: str, content: bytes) -> None:
        """Put a file."""
        self._ask(lambda: self._system.pipe_file(f"{self._path}/{name}", content))

    def has(self, name: str) -> bool:
        """Ask for it."""
        return bool(self._ask(lambda: self._system.exists(f"{self._path}/{name}")))

    def names(self, below: str) -> set[str]:
        """List a sub-folder."""
        try:
            found = self._ask(lambda: self._system.ls(f"{self._path}/{below}", detail=False))
        except FileNotFoundError:
            return set()
        return {name.rstrip("/").rpartition("/")[2] for name in found} - {below, ""}

    def remove(self, name: str) -> None:
        """Remove a file, or all below a prefix."""
        try:
            self._ask(lambda: self._system.rm(f"{self._path}/{name}", recursive=True))
        except FileNotFoundError:
            return

    def _ask(self, work: Callable[[], T]) -> T:
        """Ask the store, and again where it does not answer; what then goes wrong is an error of the system's."""
        try:
            return patiently(work)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise OSError(f"{self._uri}: {told(error)}") from error


def open_folder(text: str) -> Folder:
    """Open the folder of that path or URI.

    Raises:
        ConfigError: a protocol that is not known.
        MissingExtraError: one whose package is not installed.
    """
    if not is_uri(text):
        return LocalFolder(as_path(text))
    if text.startswith("file://"):  # a disk is a disk, and only its own calls move a file into place at once
        return LocalFolder(Path(urlsplit(text, allow_fragments=False).path))
    return RemoteFolder(text)
