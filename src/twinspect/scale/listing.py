"""Listing the images to score, one after the other: folders, tar and Parquet files, manifests, by path or URI.

Memory does not grow with the number of images, with two exceptions: each single folder of a URI is listed at once,
and a local folder is read as one data set, as everywhere else.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.data import open_data
from twinspect.data.folder_names import role_of
from twinspect.data.listing import natural_key
from twinspect.data.manifest import manifest_rows
from twinspect.data.opening import as_path
from twinspect.data.own_output import REASON as OWN_REASON
from twinspect.data.own_output import is_own_folder
from twinspect.data.system_files import system_reason
from twinspect.errors import DataError
from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.scale.archive_listing import (
    PARQUET,
    TAR,
    image_column,
    list_parquet,
    list_tar,
    refuse_compressed,
)
from twinspect.scale.storage import is_folder, is_uri, list_folder, open_binary, suffix
from twinspect.scale.work_items import WorkItem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CSV: Final = ".csv"
_NO_IMAGES: Final = "neither an image nor a .tar or .parquet file of images"
ALLOWED: Final = "images, folders, .tar and .parquet files of images, and .csv or .parquet manifests"


@dataclass
class SkippedFiles:
    """Files that were found and are not scored.

    Attributes:
        count: number of files.
        first: the first of them, and why.
        sources: what was named to be scored and cannot be, each with its reason.
    """

    count: int = 0
    first: str = ""
    sources: list[str] = field(default_factory=list)

    def add(self, address: str, reason: str) -> None:
        """Count one more."""
        self.count += 1
        self.first = self.first or f"{address}: {reason}"


def list_images(
    sources: Sequence[str], skipped: SkippedFiles, *, column: str | None = None
) -> Iterator[WorkItem]:
    """List the images of all sources, each file once, in the order of the sources.

    Args:
        sources: paths or URIs.
        skipped: counts the files that are not listed.
        column: the Parquet column of images, where a file has several that could be.

    Raises:
        DataError: a source cannot be listed to its end, or it is the only one and cannot hold images.
    """
    list_source = _source if len(sources) == 1 else _source_or_none
    with closing(_SeenFiles()) as seen:
        for source in sources:
            for item in list_source(source, _ListingContext(skipped, seen, column)):
                # What comes from a container, errors too, is new because the container is.
                if item.container or item.error or seen.is_new(item.path):
                    yield item
                else:
                    skipped.add(item.path, "listed before")


def name_parts(sources: Iterable[str]) -> bool:
    """Whether a manifest among some sources says which part an image shows.

    Raises:
        DataError: a manifest cannot be read.
    """
    manifests = (
        source
        for source in sources
        if suffix(source) == CSV or (suffix(source) == PARQUET and image_column(source, None) is None)
    )
    return any(
        row.get("part")
        for source in manifests
        for _, row in manifest_rows(source, partial(open_binary, source))
    )


class _SeenFiles:
    """Remembers which files were listed; on disk once they are many."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("")  # a temporary file of SQLite's, deleted with the connection
        self._rows.execute("create table seen (digest blob primary key) without rowid")

    def is_new(self, address: str) -> bool:
        """Whether an address is seen for the first time; it is not the next time."""
        digest = blake2b(address.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        return self._rows.execute("insert or ignore into seen values (?)", (digest,)).rowcount > 0

    def close(self) -> None:
        """Close the database."""
        self._rows.close()


@dataclass(frozen=True)
class _ListingContext:
    skipped: SkippedFiles
    seen: _SeenFiles
    column: str | None


def _source_or_none(source: str, context: _ListingContext) -> Iterator[WorkItem]:
    """List a source; one that is missing or cannot hold images does not stop the others."""
    try:
        return _source(source, context)
    except DataError as error:
        context.skipped.add(source, str(error).removeprefix(f"{source}: "))
        context.skipped.sources.append(str(error))
        return iter(())


def _source(source: str, context: _ListingContext) -> Iterator[WorkItem]:
    if is_uri(source):
        if is_folder(source):
            return _walk(source.rstrip("/"), context)
        return _file(source, context)
    path = as_path(source)
    if path.is_dir():
        return _data_set(path, context.skipped)
    if not path.exists():
        raise DataError(f"{source}: no such file or folder; expected {ALLOWED}")
    return _file(str(path), context)


def _data_set(folder: Path, skipped: SkippedFiles) -> Iterator[WorkItem]:
    data = open_data(folder, split="test")
    for file in data.skipped:
        skipped.add(str(file.path), file.reason)
    return (WorkItem(str(sample.path), sample.category) for sample in data)


def _walk(folder: str, context: _ListingContext, *, is_top: bool = True) -> Iterator[WorkItem]:
    """List a folder by URI and those below it, in natural order."""
    entries = sorted(list_folder(folder), key=lambda entry: natural_key(entry.name))
    if not is_top and is_own_folder({entry.name for entry in entries}.__contains__):
        context.skipped.add(folder, OWN_REASON)
        return
    for address, name, is_subfolder in entries:
        if reason := system_reason(name):
            context.skipped.add(address, reason)
        elif is_subfolder and role_of(name) == "masks":
            context.skipped.add(address, "a folder of masks, by its name")
        elif is_subfolder:
            yield from _walk(address, context, is_top=False)
        elif suffix(name) in (*IMAGE_SUFFIXES, TAR):
            yield from _file(address, context)
        elif suffix(name) == PARQUET:
            yield from _found_parquet(address, context)
        else:
            refuse_compressed(address)
            context.skipped.add(address, _NO_IMAGES)


def _found_parquet(address: str, context: _ListingContext) -> Iterator[WorkItem]:
    """List a Parquet file found in a folder: a table without images is left out, a damaged one is an error."""
    try:
        column = image_column(address, context.column)
    except DataError as error:
        yield WorkItem(address, error=str(error).removeprefix(f"{address}: "))
        return
    if column is None:
        context.skipped.add(address, _NO_IMAGES)
    else:
        yield from _container(address, context, column)


def _file(address: str, context: _ListingContext) -> Iterator[WorkItem]:
    """List one file of any kind."""
    refuse_compressed(address)
    ending = suffix(address)
    if ending in IMAGE_SUFFIXES:
        return iter([WorkItem(address)])
    if ending not in (TAR, PARQUET, CSV):
        raise DataError(f"{address}: ends in {ending or 'nothing'!r}; allowed are {ALLOWED}")
    column = image_column(address, context.column) if ending == PARQUET else None
    if ending == TAR or column is not None:
        return _container(address, context, column)
    return _manifest(address)


def _container(address: str, context: _ListingContext, column: str | None) -> Iterator[WorkItem]:
    """List what is inside a tar file, or a Parquet file of images."""
    if not context.seen.is_new(address):
        context.skipped.add(address, "listed before")
        return iter(())
    return list_tar(address) if column is None else list_parquet(address, column)


def _manifest(address: str) -> Iterator[WorkItem]:
    """Read a table of paths; relative ones start from its own folder."""
    for number, row in manifest_rows(address, partial(open_binary, address)):
        if not row["path"]:
            raise DataError(f"{address}, row {number}: the path is empty; expected an image file or URI")
        path = _resolve(address, row["path"])
        yield WorkItem(path, row.get("category", ""), part=row.get("part", ""))


def _resolve(manifest: str, path: str) -> str:
    if is_uri(path):
        return path
    relative = path.replace("\\", "/")
    if is_uri(manifest):
        return f"{manifest.rpartition('/')[0]}/{relative}"
    return str(Path(manifest).parent / relative)
