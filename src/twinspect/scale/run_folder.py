"""The folder that a run writes to: on a disk, or a prefix of an object store."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from twinspect.data.opening import as_path
from twinspect.scale.storage import error_text, fetch, filesystem, is_uri, with_retries
from twinspect.utils.files import write_atomically
from twinspect.utils.locks import single_writer

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class RunFolder(ABC):
    """Files by names such as ``rows/part-000000.parquet``; each exists completely or not at all."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            OSError: it is missing or cannot be read.
        """

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file, replacing an older one atomically.

        Raises:
            OSError: it cannot be written.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether a file exists."""

    @abstractmethod
    def names(self, below: str) -> set[str]:
        """List the names of the files in a sub-folder."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, or a sub-folder with its content, if it exists."""

    def single_writer(self) -> AbstractContextManager[None]:
        """Keep other processes from starting or resuming a run here; only a disk can do that.

        Raises:
            DataError: another run goes on here.
        """
        return nullcontext()


class LocalRunFolder(RunFolder):
    """A folder on a disk.

    Args:
        path: the folder; created when something is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes:
        """Read a file."""
        return (self._path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write a file under another name, then rename it."""
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)

    def has(self, name: str) -> bool:
        """Look for a file."""
        return (self._path / name).is_file()

    def names(self, below: str) -> set[str]:
        """List a sub-folder, without the partial files of killed processes."""
        folder = self._path / below
        paths = folder.iterdir() if folder.is_dir() else ()
        return {path.name for path in paths if not path.name.startswith(".")}

    def remove(self, name: str) -> None:
        """Remove a file or a sub-folder."""
        path = self._path / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def single_writer(self) -> AbstractContextManager[None]:
        """Lock the folder, by a hidden file in it."""
        return single_writer(self._path / "manifest.json")


class RemoteRunFolder(RunFolder):
    """A prefix of an object store, by fsspec; a file is uploaded completely or not at all.

    Args:
        uri: the prefix.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")
        self._system, self._path = filesystem(self._uri)

    def read(self, name: str) -> bytes:
        """Fetch a file."""
        return self._request(lambda: fetch(f"{self._uri}/{name}"))

    def write(self, name: str, content: bytes) -> None:
        """Upload a file."""
        self._request(lambda: self._system.pipe_file(f"{self._path}/{name}", content))

    def has(self, name: str) -> bool:
        """Ask the store for a file."""
        return bool(self._request(lambda: self._system.exists(f"{self._path}/{name}")))

    def names(self, below: str) -> set[str]:
        """List a sub-folder."""
        try:
            paths = self._request(lambda: self._system.ls(f"{self._path}/{below}", detail=False))
        except FileNotFoundError:
            return set()
        return {name.rstrip("/").rpartition("/")[2] for name in paths} - {below, ""}

    def remove(self, name: str) -> None:
        """Remove a file, or everything below a prefix."""
        try:
            self._request(lambda: self._system.rm(f"{self._path}/{name}", recursive=True))
        except FileNotFoundError:
            return

    def _request(self, work: Callable[[], T]) -> T:
        """Make a request with retries; a storage error becomes an ``OSError``."""
        try:
            return with_retries(work)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise OSError(f"{self._uri}: {error_text(error)}") from error


def open_run_folder(text: str) -> RunFolder:
    """Open the folder of a path or URI.

    Raises:
        ConfigError: the protocol is unknown.
        MissingExtraError: the protocol's package is not installed.
    """
    if not is_uri(text):
        return LocalRunFolder(as_path(text))
    if text.startswith("file://"):  # local calls rename atomically, fsspec's do not
        return LocalRunFolder(Path(urlsplit(text, allow_fragments=False).path))
    return RemoteRunFolder(text)
