"""Listing what is to be scored, one image after the other: folders, tar and Parquet files, manifests, by path or URI.

Memory does not grow with the number of images, but for two things: the largest folder of a URI is listed at once,
and a local folder is read as everywhere else, as one data set.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.data import open_data
from twinspect.data.listing import natural_key, system_reason
from twinspect.data.manifest import manifest_rows
from twinspect.data.opening import as_path
from twinspect.errors import DataError
from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.scale.archive_listing import (
    PARQUET,
    TAR,
    image_column,
    parquet_entries,
    refuse_compressed,
    tar_entries,
)
from twinspect.scale.storage import entries_of, is_folder, is_uri, open_binary, suffix
from twinspect.scale.work_items import WorkItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CSV: Final = ".csv"
_NO_IMAGES: Final = "neither an image nor a .tar or .parquet file of images"
KINDS: Final = "images, folders, .tar and .parquet files of images, and .csv or .parquet manifests"


@dataclass
class LeftOut:
    """What was found and is not scored.

    Attributes:
        count: how many files.
        first: the first of them, and why.
    """

    count: int = 0
    first: str = ""

    def add(self, address: str, reason: str) -> None:
        """Leave one out."""
        self.count += 1
        self.first = self.first or f"{address}: {reason}"


def list_entries(sources: Sequence[str], left: LeftOut, *, column: str | None = None) -> Iterator[WorkItem]:
    """List the images of all sources, each file once, in the order of the sources.

    Args:
        sources: paths or URIs.
        left: is told what is left out.
        column: the Parquet column that holds the images, where a file has several that could.

    Raises:
        DataError: a source is not there, cannot be listed, or is nothing that holds images.
    """
    with closing(_Seen()) as seen:
        for source in sources:
            for entry in _source(source, _Search(left, seen, column)):
                # What is in a container is new because the container is, and so is what is wrong with it.
                if entry.container or entry.error or seen.is_new(entry.path):
                    yield entry
                else:
                    left.add(entry.path, "listed before")


class _Seen:
    """Remembers which files were listed, on a disk where they are many."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("")  # a file of its own, which goes with it
        self._rows.execute("create table seen (digest blob primary key) without rowid")

    def is_new(self, address: str) -> bool:
        """Tell whether an address was not asked for before."""
        digest = blake2b(address.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        return self._rows.execute("insert or ignore into seen values (?)", (digest,)).rowcount > 0

    def close(self) -> None:
        """Forget all."""
        self._rows.close()


@dataclass(frozen=True)
class _Search:
    left: LeftOut
    seen: _Seen
    column: str | None


def _source(source: str, search: _Search) -> Iterator[WorkItem]:
    if is_uri(source):
        if is_folder(source):
            return _walk(source.rstrip("/"), search)
        return _file(source, search)
    path = as_path(source)
    if path.is_dir():
        return _data_set(path, search.left)
    if not path.exists():
        raise DataError(f"{source}: no such file or folder; expected {KINDS}")
    return _file(str(path), search)


def _data_set(folder: Path, left: LeftOut) -> Iterator[WorkItem]:
    data = open_data(folder, split="test")
    for skipped in data.skipped:
        left.add(str(skipped.path), skipped.reason)
    return (WorkItem(str(sample.path), sample.category) for sample in data)


def _walk(folder: str, search: _Search) -> Iterator[WorkItem]:
    """Look into a folder by URI and those below, in natural order."""
    for address, name, holds in sorted(entries_of(folder), key=lambda entry: natural_key(entry.name)):
        if reason := system_reason(name):
            search.left.add(address, reason)
        elif holds:
            yield from _walk(address, search)
        elif suffix(name) in (*IMAGE_SUFFIXES, TAR):
            yield from _file(address, search)
        elif suffix(name) == PARQUET:
            yield from _found_parquet(address, search)
        else:
            refuse_compressed(address)
            search.left.add(address, _NO_IMAGES)


def _found_parquet(address: str, search: _Search) -> Iterator[WorkItem]:
    """List a Parquet file that nobody named: tables without images are left out, a damaged one is an error."""
    try:
        column = image_column(address, search.column)
    except DataError as error:
        yield WorkItem(address, error=str(error).removeprefix(f"{address}: "))
        return
    if column is None:
        search.left.add(address, _NO_IMAGES)
    else:
        yield from _container(address, search, column)


def _file(address: str, search: _Search) -> Iterator[WorkItem]:
    """List one file, whatever it is."""
    refuse_compressed(address)
    kind = suffix(address)
    if kind in IMAGE_SUFFIXES:
        return iter([WorkItem(address)])
    if kind not in (TAR, PARQUET, CSV):
        raise DataError(f"{address}: ends in {kind or 'nothing'!r}; allowed are {KINDS}")
    column = image_column(address, search.column) if kind == PARQUET else None
    if kind == TAR or column is not None:
        return _container(address, search, column)
    return _manifest(address)


def _container(address: str, search: _Search, column: str | None) -> Iterator[WorkItem]:
    """List what is inside a tar file, or a Parquet file of images."""
    if not search.seen.is_new(address):
        search.left.add(address, "listed before")
        return iter(())
    return tar_entries(address) if column is None else parquet_entries(address, column)


def _manifest(address: str) -> Iterator[WorkItem]:
    """Read a table of paths; relative ones begin at its own folder."""
    for number, row in manifest_rows(address, lambda: open_binary(address)):
        if not row["path"]:
            raise DataError(f"{address}, row {number}: the path is empty; expected an image file or URI")
        yield WorkItem(_beside(address, row["path"]), row.get("category", ""))


def _beside(manifest: str, path: str) -> str:
    if is_uri(path):
        return path
    plain = path.replace("\\", "/")
    if is_uri(manifest):
        return f"{manifest.rpartition('/')[0]}/{plain}"
    return str(Path(manifest).parent / plain)
