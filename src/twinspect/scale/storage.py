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
"""Seconds to wait before a request that failed is made again."""
_BLOCK = 2**20
"""Bytes of a request, where a file is read piece by piece: of large images in a tar file only the beginnings."""
_SETTLED = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What asking again does not change."""


class Listed(NamedTuple):
    """One entry of a folder.

    Attributes:
        address: its path or URI.
        name: its own name.
        is_folder: whether it holds others.
    """

    address: str
    name: str
    is_folder: bool


def is_uri(text: str) -> bool:
    """Tell a URI from a plain path.

    >>> is_uri("s3://lake/parts"), is_uri("C:/parts")
    (True, False)
    """
    return "://" in text


def suffix(address: str) -> str:
    """Give the ending of a name in lower case.

    >>> suffix("s3://lake/A.PNG")
    '.png'
    """
    return Path(address.rpartition("/")[2]).suffix.lower()


def open_binary(address: str) -> BinaryIO:
    """Open a file for reading from any place of it.

    Raises:
        OSError: it is not there, or cannot be read.
        ConfigError: a protocol that is not known.
        MissingExtraError: one whose package is not installed.
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


def patiently(work: Callable[[], T]) -> T:
    """Do something over a network, and again after a pause where it fails.

    Raises:
        Exception: what it raised the last time.
    """
    for pause in PAUSES:
        try:
            return work()
        except _SETTLED:  # noqa: PERF203 - it is tried three times
            raise
        except Exception:  # noqa: BLE001 - each storage's package has errors of its own
            time.sleep(pause)
    return work()


def is_folder(address: str) -> bool:
    """Tell whether a URI names a folder, or the prefix of one.

    Raises:
        DataError: there is nothing, or it cannot be asked.
    """
    system, path = filesystem(address)
    try:
        return bool(patiently(lambda: system.info(path))["type"] == "directory")
    except FileNotFoundError:
        raise DataError(f"{address}: no such file or folder") from None
    except Exception as error:
        raise DataError(f"{address}: cannot be opened: {told(error)}") from error


def entries_of(address: str) -> list[Listed]:
    """List what a folder by URI holds, in any order.

    Raises:
        DataError: it cannot be listed.
    """
    system, path = filesystem(address)
    try:
        found: list[dict[str, Any]] = patiently(lambda: system.ls(path, detail=True))
    except Exception as error:
        raise DataError(f"{address}: cannot be listed: {told(error)}") from error
    own = path.rstrip("/")
    names = [(str(each["name"]).rstrip("/"), each["type"] == "directory") for each in found]
    # Object stores list the empty object that stands for the folder itself, too.
    return [
        Listed(system.unstrip_protocol(name), name.rpartition("/")[2], folder)
        for name, folder in names
        if name != own
    ]


def told(error: Exception) -> str:
    """Say in one line what a storage complained of."""
    return " ".join(str(error).split()) or type(error).__name__


def filesystem(uri: str) -> tuple[Any, str]:
    """Give the fsspec file system of a URI, and the path in it.

    Raises:
        ConfigError: a protocol that is not known.
        MissingExtraError: one whose package is not installed.
    """
    core = optional("fsspec", "scale").core
    try:
        # A cached listing would grow with the number of images, and be wrong after a while.
        system, path = core.url_to_fs(uri, use_listings_cache=False)
    except ImportError as error:
        raise MissingExtraError(f"{uri}: {told(error)}") from error
    except ValueError as error:
        raise ConfigError(f"{uri}: {told(error)}; for a plain path type it without ://") from error
    return system, str(path)
