"""Listing files: in an order that no file system changes, with a reason for each one that is left out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from twinspect.data.samples import GOOD, SPLITS, DataSet, Sample, Skipped
from twinspect.errors import DataError
from twinspect.images.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

GOOD_NAMES = frozenset({"good", "normal", "ok"})
"""What a folder or label without anomalies may be called, in any case; all become ``good``."""

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


@dataclass
class Listing:
    """The images listed so far, and what was left out.

    Attributes:
        samples: the images, in any order.
        skipped: what was left out, and why.
    """

    samples: list[Sample] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, other: Listing) -> None:
        """Take over another listing."""
        self.samples += other.samples
        self.skipped += other.skipped

    def skip(self, path: Path, reason: str) -> None:
        """Note that a file or folder is left out."""
        self.skipped.append(Skipped(path, reason))

    def to_data_set(self, name: str, root: Path | None, layout: str) -> DataSet:
        """Make a data set of it, sorted; without a root the order is kept."""
        samples = self.samples if root is None else sorted(self.samples, key=_sample_key)
        return DataSet(
            name=name,
            root=root,
            samples=tuple(samples),
            skipped=tuple(sorted(self.skipped, key=lambda skipped: natural_key(skipped.path.as_posix()))),
            layout=layout,
        )


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Sort key under which numbers count by their value.

    >>> sorted(["part-10", "part-9", "Part-2"], key=natural_key)
    ['Part-2', 'part-9', 'part-10']
    """
    # Every second piece is a number, so pieces at the same index always compare.
    pieces = re.split("([0-9]+)", text.casefold())
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], text


def label_from(name: str) -> str:
    """Turn the name of a folder into a label.

    >>> label_from("OK"), label_from("Broken")
    ('good', 'Broken')
    """
    return GOOD if name.casefold() in GOOD_NAMES else name


def relative_name(path: Path, root: Path) -> str:
    """Name a file by its path below a root, with forward slashes on every system."""
    return path.relative_to(root).as_posix()


def folder_name(folder: Path) -> str:
    """Return a folder's own name, also where it was given as ``.`` or through a link."""
    return PurePath(os.path.abspath(folder)).name  # noqa: PTH100 - resolve() would follow the link


def subfolders(folder: Path, listing: Listing) -> dict[str, Path]:
    """List a folder's visible sub-folders by their names in lower case.

    Args:
        folder: the folder to look into.
        listing: notes its files and hidden folders, which are left out.
    """
    folders = {}
    for entry in _entries(folder, listing):
        path = folder / entry.name
        if _is_folder(entry) and not system_reason(entry.name):
            folders[entry.name.casefold()] = path
        else:
            listing.skip(path, _reason_to_skip(entry) or "lies beside the folders that say what an image is")
    return folders


def find_images(folder: Path, listing: Listing) -> list[Path]:
    """List the image files in a folder and all folders below, in natural order.

    Links to folders are followed, but no folder is read twice, so circular links end.

    Args:
        folder: the folder to look into.
        listing: notes what is left out.
    """
    # A link to a folder above counts as read, or it would let everything beside this folder in.
    return list(_walk(folder, listing, set(folder.resolve().parents)))


def check_unique(samples: Iterable[Sample]) -> None:
    """Refuse a list that holds one file twice: it could be trained on and tested with.

    Raises:
        DataError: it does; names both.
    """
    names: dict[str, str] = {}
    for sample in samples:
        key = path_key(sample.path)
        if key in names:
            raise DataError(
                f"{sample.path} is listed twice, as {names[key]!r} and {sample.name!r}; list it once"
            )
        names[key] = sample.name


def path_key(path: Path) -> str:
    """Return a key that is the same for different spellings of one path, without asking the file system."""
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - resolve() asks for every link


def with_category(listing: Listing, category: str) -> Listing:
    """Put every sample into one category."""
    return replace(listing, samples=[replace(sample, category=category) for sample in listing.samples])


def _walk(folder: Path, listing: Listing, visited: set[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in visited:
        listing.skip(folder, "a link to a folder that was read already, or that holds this one")
        return
    visited.add(real)
    for entry in _entries(folder, listing):
        path = folder / entry.name
        if reason := _reason_to_skip(entry):
            listing.skip(path, reason)
        elif _is_folder(entry):
            yield from _walk(path, listing, visited)
        else:
            yield path


def _entries(folder: Path, listing: Listing) -> list[os.DirEntry[str]]:
    # scandir() knows what is a folder without asking again: it matters on network drives.
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: natural_key(entry.name))
    except OSError as error:
        listing.skip(folder, f"cannot be opened: {error.strerror}")
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _reason_to_skip(entry: os.DirEntry[str]) -> str | None:
    """Say why an entry of a folder is neither an image nor a folder to look into; ``None`` if it is."""
    if (reason := system_reason(entry.name)) or _is_folder(entry):
        return reason
    suffix = PurePath(entry.name).suffix
    if suffix.lower() not in IMAGE_SUFFIXES:
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        return f"not an image by its name ({suffix or 'no ending'}); images end in {endings}"
    # A link to nothing stays in: reading it gives an error that someone will see.
    regular = entry.is_symlink() or entry.is_file()
    return None if regular else "not a regular file"


def system_reason(name: str) -> str | None:
    """Say why a name is never looked at, whatever it names; ``None`` if it may be an image or a folder of some."""
    if name.startswith("."):
        return "hidden"
    return "made by the operating system" if name.casefold() in _SYSTEM_FILES else None


def _sample_key(sample: Sample) -> tuple[object, ...]:
    split = SPLITS.index(sample.split)
    return natural_key(sample.category), split, natural_key(sample.label), natural_key(sample.name)
