"""Files by plain path or by URI, whichever storage they are in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar, cast

from twinspect.errors import ConfigError, DataError, MissingExtraError, optional

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PAUSES = (0.5, 2.0)
"""Seconds to wait before each retry of a failed request."""
_BLOCK = 2**20
"""Bytes of a request where a file is read in blocks: of a tar file of large images, only headers are read."""
_PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""Errors that a retry does not change."""


class FolderEntry(NamedTuple):
    """One entry of a folder.

    Attributes:
        address: its path or URI.
        name: its own name.
        is_folder: whether it is a folder.
    """

    address: str
    name: str
    is_folder: bool


def is_uri(text: str) -> bool:
    """Whether a text is a URI and not a plain path.

    >>> is_uri("s3://bucket/parts"), is_uri("C:/parts")
    (True, False)
    """
    return "://" in text


def suffix(address: str) -> str:
    """Give the suffix of a name in lower case.

    >>> suffix("s3://bucket/A.PNG")
    '.png'
    """
    return Path(address.rpartition("/")[2]).suffix.lower()


def open_binary(address: str) -> BinaryIO:
    """Open a file for reading, with random access.

    Raises:
        OSError: it is missing or cannot be read.
        ConfigError: the protocol is unknown.
        MissingExtraError: the protocol's package is not installed.
    """
    if not is_uri(address):
        return Path(address).open("rb")
    system, path = filesystem(address)
    return cast("BinaryIO", system.open(path, "rb", block_size=_BLOCK))


def fetch(address: str, start: int | None = None, stop: int | None = None) -> bytes:
    """Read a file, or the bytes from ``start`` to ``stop`` of it, in one request.

    Raises:
        OSError: it cannot be read.
    """
    if is_uri(address):
        system, path = filesystem(address)
        return bytes(system.cat_file(path, start=start, end=stop))
    with Path(address).open("rb") as file:
        file.seek(start or 0)
        return file.read(-1 if stop is None else stop - (start or 0))


def with_retries(work: Callable[[], T]) -> T:
    """Do something over a network, and retry after a pause if it fails.

    Raises:
        Exception: the error of the last attempt.
    """
    for pause in PAUSES:
        try:
            return work()
        except _PERMANENT:  # noqa: PERF203 - three attempts at most
            raise
        except Exception:  # noqa: BLE001 - each storage package has errors of its own
            time.sleep(pause)
    return work()


def is_folder(address: str) -> bool:
    """Whether a URI names a folder, or a prefix of an object store.

    Raises:
        DataError: nothing is there, or the storage cannot be reached.
    """
    system, path = filesystem(address)
    try:
        return bool(with_retries(lambda: system.info(path))["type"] == "directory")
    except FileNotFoundError:
        raise DataError(f"{address}: no such file or folder") from None
    except Exception as error:
        raise DataError(f"{address}: cannot be opened: {error_text(error)}") from error


def list_folder(address: str) -> list[FolderEntry]:
    """List the entries of a folder by URI, in any order.

    Raises:
        DataError: it cannot be listed.
    """
    system, path = filesystem(address)
    try:
        entries: list[dict[str, Any]] = with_retries(lambda: system.ls(path, detail=True))
    except Exception as error:
        raise DataError(f"{address}: cannot be listed: {error_text(error)}") from error
    itself = path.rstrip("/")
    names = [(str(entry["name"]).rstrip("/"), entry["type"] == "directory") for entry in entries]
    # Object stores also list the empty object that stands for the folder itself.
    return [
        FolderEntry(system.unstrip_protocol(name), name.rpartition("/")[2], folder)
        for name, folder in names
        if name != itself
    ]


def error_text(error: Exception) -> str:
    """Give the message of a storage error in one line; its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def filesystem(uri: str) -> tuple[Any, str]:
    """Give the fsspec file system of a URI, and the path in it.

    Raises:
        ConfigError: the protocol is unknown.
        MissingExtraError: the protocol's package is not installed.
    """
    core = optional("fsspec", "scale").core
    try:
        # A cached listing would grow with the number of images, and be wrong after a while.
        system, path = core.url_to_fs(uri, use_listings_cache=False)
    except ImportError as error:
        raise MissingExtraError(f"{uri}: {error_text(error)}") from error
    except ValueError as error:
        raise ConfigError(f"{uri}: {error_text(error)}; type a plain path without ://") from error
    return system, str(path)
