"""Archives from elsewhere, unpacked without trust: only files and folders, only inside, only plausibly many."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO, TYPE_CHECKING, Final, Literal, cast

from twinspect.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from twinspect.utils.progress import Progress

MOST_TIMES: Final = 20
"""An archive may unpack to so many times its own length: of images, even uncompressed ones, none comes near."""
ALWAYS_ALLOWED: Final = 1 << 20
"""Bytes that any archive may unpack to besides."""
MOST_FILES: Final = 500_000


@dataclass(frozen=True)
class _Item:
    """One entry of an archive: its size is in bytes, and no more than that can be read from it."""

    name: str
    size: int
    kind: Literal["file", "folder", "other"]
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack a .zip, .tar or .tar.gz into a new folder.

    All entries are looked at before the first is written. Files are written here, byte by byte, so that no link,
    device, owner or permission of the archive ever reaches the disk.

    Args:
        archive: the file.
        folder: where to; it does not exist. After an error it may hold a part.
        progress: is told of files.

    Raises:
        DownloadError: an entry is neither file nor folder or would lie outside, the archive unpacks to implausibly
            much or more than the disk has room for, or it is damaged.
        OSError: the disk is full or not writable.
    """
    try:
        if archive.name.endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                _unpack(_zip_items(opened), archive, folder, progress)
        else:
            with tarfile.open(archive) as opened_tar:
                _unpack(_tar_items(opened_tar), archive, folder, progress)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DownloadError(f"{archive}: cannot be unpacked ({type(error).__name__}: {error})") from error


def _unpack(items: Iterable[_Item], archive: Path, folder: Path, progress: Progress) -> None:
    files = [item for item in _checked(items, archive) if item.kind == "file"]
    folder.mkdir(parents=True)
    check_room(folder, sum(item.size for item in files), f"to unpack {archive.name}")
    progress.start(f"unpack {archive.name}", len(files), 0)
    for item in files:
        target = folder / item.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with item.open() as source, target.open("wb") as out:
            shutil.copyfileobj(source, out)
        progress.advance()
    progress.finish()


def check_room(folder: Path, needed: int, purpose: str) -> None:
    """Refuse to begin what the disk has no room for.

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
            f"make room, or name a folder on another disk"
        )


def _checked(items: Iterable[_Item], archive: Path) -> Iterator[_Item]:
    """Pass entries on as long as they are harmless."""
    most = MOST_TIMES * archive.stat().st_size + ALWAYS_ALLOWED
    total = 0
    for count, item in enumerate(items, start=1):
        total += item.size
        if item.kind == "other":
            raise DownloadError(
                f"{archive}: not unpacked, since {item.name!r} is neither a file nor a folder"
            )
        if _leaves(item.name):
            raise DownloadError(f"{archive}: not unpacked, since {item.name!r} would not lie in the folder")
        if total > most or count > MOST_FILES:
            limits = f"at most {MOST_FILES} files of {most} bytes together are allowed"
            raise DownloadError(f"{archive}: not unpacked, since it grows implausibly; {limits}")
        yield item


def _leaves(name: str) -> bool:
    r"""Tell whether a path leads, on any system, out of the folder that it is relative to.

    >>> [_leaves(name) for name in ("a/b.png", "./a", "../a", "a/../../b", "/a", "C:a", "a\\..\\b", "")]
    [False, False, True, True, True, True, True, True]
    """
    windows = PureWindowsPath(name)
    escapes = ".." in windows.parts or bool(windows.anchor) or PurePosixPath(name).is_absolute()
    return not name or escapes or "\\" in name or "\0" in name


def _zip_items(archive: zipfile.ZipFile) -> Iterator[_Item]:
    for info in archive.infolist():
        kinds = stat.S_IFMT(info.external_attr >> 16)  # of Unix; elsewhere it is 0
        plain = kinds in (0, stat.S_IFREG, stat.S_IFDIR)
        kind: Literal["file", "folder", "other"] = "folder" if info.is_dir() else "file"
        yield _Item(
            info.orig_filename.rstrip("/") if info.is_dir() else info.orig_filename,
            info.file_size,
            kind if plain else "other",
            lambda info=info: archive.open(info),  # type: ignore[misc]
        )


def _tar_items(archive: tarfile.TarFile) -> Iterator[_Item]:
    for info in archive:
        yield _Item(
            info.name,
            info.size,
            "folder" if info.isdir() else "file" if info.isreg() else "other",
            # Of a regular file there is always something to read.
            lambda info=info: cast("IO[bytes]", archive.extractfile(info)),  # type: ignore[misc]
        )
