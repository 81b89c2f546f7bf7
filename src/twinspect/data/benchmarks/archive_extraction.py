"""Unpacking untrusted archives: only files and folders, only inside the target, only up to a plausible size."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO, TYPE_CHECKING, Final, Literal, cast

from twinspect.errors import DownloadError, in_one_line
from twinspect.utils.tar_headers import BoundedTarInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from twinspect.utils.progress import Progress

MAX_RATIO: Final = 20
"""An archive may unpack to at most this many times its own size; images, even uncompressed ones, stay far below."""
FREE_BYTES: Final = 1 << 20
"""Bytes that any archive may unpack to in addition."""
MAX_FILES: Final = 500_000
_DAMAGE: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(ValueError, OverflowError, MemoryError, RuntimeError),  # NotImplementedError is one of the last
)
"""What the libraries raise where an archive is damaged, encrypted or packed in a way that they do not know."""


@dataclass(frozen=True)
class _Entry:
    """One entry of an archive: its size is in bytes, and no more than that can be read from it."""

    name: str
    size: int
    kind: Literal["file", "folder", "other"]
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack a .zip, .tar or .tar.gz into a new folder.

    All entries are checked before the first is written. Files are written here, byte by byte, so that no link,
    device, owner or permission of the archive ever reaches the disk.

    Args:
        archive: the file.
        folder: where to; it must not exist. After an error it may hold a part.
        progress: is told of files.

    Raises:
        DownloadError: an entry is neither file nor folder or would lie outside, the archive unpacks to implausibly
            much or more than the disk has room for, or it is damaged.
        OSError: the disk is full or not writable.
    """
    try:
        if archive.name.endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                _unpack(_zip_entries(opened), archive, folder, progress)
        else:
            with tarfile.open(archive, tarinfo=BoundedTarInfo) as opened_tar:
                _unpack(_tar_entries(opened_tar), archive, folder, progress)
    except (*_DAMAGE, OSError) as error:
        if (
            isinstance(error, OSError) and error.errno is not None
        ):  # of the disk; those of decoders have no number
            raise
        raise DownloadError(
            f"{archive}: cannot be unpacked ({type(error).__name__}: {in_one_line(error)})"
        ) from error


def _unpack(entries: Iterable[_Entry], archive: Path, folder: Path, progress: Progress) -> None:
    files = [entry for entry in _check_entries(entries, archive) if entry.kind == "file"]
    folder.mkdir(parents=True)
    check_room(folder, sum(entry.size for entry in files), f"to unpack {archive.name}")
    progress.start(f"unpack {archive.name}", len(files), 0)
    for entry in files:
        target = folder / entry.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as source, target.open("wb") as out:
            shutil.copyfileobj(source, out)
        progress.advance()
    progress.finish()


def check_room(folder: Path, needed: int, purpose: str) -> None:
    """Refuse to start what the disk has no room for.

    Args:
        folder: on the disk in question.
        needed: bytes.
        purpose: for the error.

    Raises:
        DownloadError: there is less room.
    """
    if (free := shutil.disk_usage(folder).free) < needed:
        raise DownloadError(
            f"{folder}: the disk has {free / 1e9:.1f} GB left, and {purpose} takes {needed / 1e9:.1f} GB; "
            f"free some space, or name a folder on another disk"
        )


def _check_entries(entries: Iterable[_Entry], archive: Path) -> Iterator[_Entry]:
    """Yield entries as long as they are harmless."""
    max_bytes = MAX_RATIO * archive.stat().st_size + FREE_BYTES
    total = 0
    for count, entry in enumerate(entries, start=1):
        total += entry.size
        if entry.kind == "other":
            raise DownloadError(
                f"{archive}: not unpacked, since {entry.name!r} is neither a file nor a folder"
            )
        if _escapes(entry.name):
            raise DownloadError(f"{archive}: not unpacked, since {entry.name!r} would not lie in the folder")
        if total > max_bytes or count > MAX_FILES:
            limits = f"at most {MAX_FILES} files of {max_bytes} bytes together are allowed"
            raise DownloadError(f"{archive}: not unpacked, since it grows implausibly; {limits}")
        yield entry


def _escapes(name: str) -> bool:
    r"""Tell whether a path leads, on any system, out of the folder that it is relative to.

    >>> [_escapes(name) for name in ("a/b.png", "./a", "../a", "a/../../b", "/a", "C:a", "a\\..\\b", "")]
    [False, False, True, True, True, True, True, True]
    """
    windows = PureWindowsPath(name)
    outside = ".." in windows.parts or bool(windows.anchor) or PurePosixPath(name).is_absolute()
    return not name or outside or "\\" in name or "\0" in name


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in archive.infolist():
        file_type = stat.S_IFMT(info.external_attr >> 16)  # of Unix; elsewhere it is 0
        plain = file_type in (0, stat.S_IFREG, stat.S_IFDIR)
        kind: Literal["file", "folder", "other"] = "folder" if info.is_dir() else "file"
        yield _Entry(
            info.orig_filename.rstrip("/") if info.is_dir() else info.orig_filename,
            info.file_size,
            kind if plain else "other",
            lambda info=info: archive.open(info),  # type: ignore[misc]
        )


def _tar_entries(archive: tarfile.TarFile) -> Iterator[_Entry]:
    for info in archive:
        yield _Entry(
            info.name,
            info.size,
            "folder" if info.isdir() else "file" if info.isreg() else "other",
            # Of a regular file there is always something to read.
            lambda info=info: cast("IO[bytes]", archive.extractfile(info)),  # type: ignore[misc]
        )
