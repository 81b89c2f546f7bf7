"""A copy of all that a studio keeps, as one tar file; it may go on inspecting and training meanwhile."""

from __future__ import annotations

import lzma
import sqlite3
import tarfile
import tempfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.errors import ConfigError, DataError
from twinspect.serve.products.folders import PRODUCTS
from twinspect.utils.files import atomic_replacement

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE: Final = "store.db"
IMAGES: Final = "images"
_SQLITE: Final = b"SQLite format 3\0"
"""What each SQLite database begins with."""


def back_up(data: Path, target: Path, db: str | None) -> tuple[int, int]:
    """Copy a data folder into a tar file.

    The database is copied first, as it is at one moment: images and models that it names are then there, since they
    are written before it names them and are not changed.

    Args:
        data: of the server.
        target: the file to write; one of this name is replaced once the new one is complete.
        db: the database's URL, if it is not in the folder.

    Returns:
        How many files there are in it, and its size in bytes.

    Raises:
        ConfigError: the folder holds no database, the database is elsewhere, or the target lies in the folder.
        DataError: the database is damaged.
        OSError: something cannot be read or written.
    """
    if db is not None:
        raise ConfigError(
            "a backup copies the SQLite database of a folder; for PostgreSQL use pg_dump beside it"
        )
    if not (data / DATABASE).is_file():
        raise ConfigError(f"{data} holds no {DATABASE}, so it is not the folder of a studio")
    if target.is_dir() or target.resolve().is_relative_to(data.resolve()):
        raise ConfigError(f"{target} cannot be the backup; choose a file outside of {data}")
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, atomic_replacement(target) as unfinished:
        copy = Path(folder) / DATABASE
        _copy_database(data / DATABASE, copy)
        with tarfile.open(unfinished, "w") as packed:
            packed.add(copy, DATABASE)
            count = 1 + sum(_add(packed, data, path) for path in _files(data))
    return count, target.stat().st_size


def restore(source: Path, data: Path) -> tuple[int, int]:
    """Unpack a backup into a folder that does not exist yet.

    Returns:
        How many files there were, and their size in bytes.

    Raises:
        ConfigError: the folder exists.
        DataError: the file is not such a backup; nothing is left of it.
        OSError: something cannot be read or written.
    """
    if data.exists():
        raise ConfigError(f"{data} exists; restore into a folder that does not, and move it then")
    data.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data.absolute().parent) as folder:
        unpacked = Path(folder) / "data"
        sizes = _unpack(source, unpacked)
        unpacked.rename(data)
    return len(sizes), sum(sizes)


def _unpack(source: Path, folder: Path) -> list[int]:
    try:
        with tarfile.open(source) as packed:
            members = packed.getmembers()
            packed.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{source} is not a backup of a studio, or is damaged: {error}") from None
    database = folder / DATABASE
    if not _is_database(database):
        raise DataError(f"{source} is not a backup of a studio: it holds no {DATABASE}")
    return [member.size for member in members if member.isfile()]


def _is_database(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy_database(source: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            new.execute(
                "update jobs set process = null"
            )  # a copy never takes over a training of the original
            new.commit()
    except sqlite3.DatabaseError as error:
        raise DataError(f"{source} cannot be copied: {error}") from None


def _files(data: Path) -> Iterator[Path]:
    for part in (IMAGES, PRODUCTS):
        for path in sorted((data / part).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path


def _add(packed: tarfile.TarFile, data: Path, path: Path) -> bool:
    """Add a file, unless it is gone meanwhile, as what a training leaves behind."""
    try:
        packed.add(path, path.relative_to(data).as_posix())
    except FileNotFoundError:
        return False
    return True
