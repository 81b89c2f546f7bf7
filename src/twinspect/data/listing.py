"""Listing files: in an order that no file system changes, with a reason for each one that is left out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from twinspect.data.folder_names import is_good_name, role_of
from twinspect.data.mask_names import masks_beside_images
from twinspect.data.own_output import own_reason
from twinspect.data.samples import GOOD, SPLITS, DataSet, Sample, Skipped
from twinspect.data.system_files import system_reason
from twinspect.errors import DataError
from twinspect.images.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NO_LABEL = ""
"""Stands for the label of an image that no folder labels, until its masks are known."""
MASK_SUFFIXES = IMAGE_SUFFIXES | {".gif"}
"""File name endings of masks that are images."""
ANNOTATION_SUFFIX = ".json"
"""File name ending of annotations of several images."""
ANNOTATION_SUFFIXES = frozenset({ANNOTATION_SUFFIX, ".xml", ".txt"})
"""File name endings of annotations."""
_TEXT_SUFFIX = ".txt"


@dataclass
class Listing:
    """The images listed so far, and what was left out.

    Attributes:
        samples: the images, in any order.
        skipped: what was left out, and why.
        doubt: why it is not known which of the images are good; ``None`` where it is.
    """

    samples: list[Sample] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    doubt: DataError | None = None

    def add(self, other: Listing) -> None:
        """Take over another listing."""
        self.samples += other.samples
        self.skipped += other.skipped
        self.doubt = self.doubt or other.doubt

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
            doubt=self.doubt,
        )


@dataclass
class FoundFiles:
    """The files below one folder, by what they are.

    Attributes:
        images: the images, in natural order.
        masks: images in folders of masks, and those beside an image that are named like its mask.
        annotations: files that may say which pixels are anomalous: JSON, XML, and text of numbers.
    """

    images: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    annotations: list[Path] = field(default_factory=list)

    def add(self, other: FoundFiles) -> None:
        """Take over what was found below another folder."""
        self.images += other.images
        self.masks += other.masks
        self.annotations += other.annotations


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
    return GOOD if is_good_name(name) else name


def relative_name(path: Path, root: Path) -> str:
    """Name a file by its path below a root, with forward slashes on every system."""
    return path.relative_to(root).as_posix()


def folder_name(folder: Path) -> str:
    """Return a folder's own name, also where it was given as ``.`` or through a link."""
    return PurePath(os.path.abspath(folder)).name  # noqa: PTH100 - resolve() would follow the link


def subfolders(folder: Path, listing: Listing) -> dict[str, Path]:
    """List a folder's visible sub-folders by their names in lower case; otherwise as :func:`child_folders`."""
    return {path.name.casefold(): path for path in child_folders(folder, listing)}


def child_folders(folder: Path, listing: Listing) -> list[Path]:
    """List a folder's visible sub-folders, in natural order.

    Args:
        folder: the folder to look into.
        listing: notes its files and hidden folders, which are left out.
    """
    folders = []
    for entry in _entries(folder, listing):
        path = folder / entry.name
        reason = _reason_to_skip(entry)
        if _is_folder(entry) and not reason:
            folders.append(path)
        else:
            listing.skip(path, reason or "lies beside the folders that say what an image is")
    return folders


def find_images(folder: Path, listing: Listing) -> list[Path]:
    """List the image files in a folder and all folders below, in natural order, whatever the folders are called.

    Links to folders are followed, but no folder is read twice, so circular links end.

    Args:
        folder: the folder to look into.
        listing: notes what is left out.
    """
    return list(_walk(folder, listing, _visited(folder), IMAGE_SUFFIXES))


def find_files(folder: Path, listing: Listing) -> FoundFiles:
    """List images, masks and annotations in a folder and all folders below, each in natural order.

    Args:
        folder: the folder to look into; whatever its own name is, it holds images.
        listing: notes what is left out.
    """
    found = FoundFiles()
    suffixes = IMAGE_SUFFIXES | ANNOTATION_SUFFIXES
    mask_folders: list[Path] = []
    visited = _visited(folder)
    for path in _walk(folder, listing, visited, suffixes, mask_folders):
        (found.annotations if is_annotation(path) else found.images).append(path)
    for mask_folder in mask_folders:
        found.add(find_masks(mask_folder, listing, visited))
    masks = masks_beside_images(found.images)
    found.images = [path for path in found.images if path not in masks]
    found.masks += masks
    return found


def find_masks(folder: Path, listing: Listing, visited: set[Path] | None = None) -> FoundFiles:
    """List the masks and annotations in a folder of masks and all folders below.

    Args:
        folder: the folder to look into.
        listing: notes what is left out.
        visited: folders that were read already.
    """
    found = FoundFiles()
    suffixes = MASK_SUFFIXES | ANNOTATION_SUFFIXES
    for path in _walk(folder, listing, _visited(folder) if visited is None else visited, suffixes):
        (found.annotations if is_annotation(path) else found.masks).append(path)
    return found


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


def _visited(folder: Path) -> set[Path]:
    # A link to a folder above counts as read, or it would let everything beside this folder in.
    return set(folder.resolve().parents)


def is_annotation(path: Path) -> bool:
    """Tell by its name whether a file is an annotation, not an image."""
    return path.suffix.lower() in ANNOTATION_SUFFIXES


def _walk(
    folder: Path,
    listing: Listing,
    visited: set[Path],
    suffixes: frozenset[str],
    mask_folders: list[Path] | None = None,
) -> Iterator[Path]:
    """Give the files with these endings; folders of masks are listed in ``mask_folders`` instead, if there is one."""
    real = folder.resolve()
    if real in visited:
        listing.skip(folder, "a link to a folder that was read already, or that holds this one")
        return
    visited.add(real)
    for entry in _entries(folder, listing):
        path = folder / entry.name
        if reason := _reason_to_skip(entry, suffixes):
            listing.skip(path, reason)
        elif not _is_folder(entry):
            yield path
        elif mask_folders is not None and role_of(entry.name) == "masks":
            mask_folders.append(path)
        else:
            yield from _walk(path, listing, visited, suffixes, mask_folders)


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


def _reason_to_skip(entry: os.DirEntry[str], suffixes: frozenset[str] = IMAGE_SUFFIXES) -> str | None:
    """Say why an entry of a folder is neither an image nor a folder to look into; ``None`` if it is."""
    is_folder = _is_folder(entry)
    reason = system_reason(entry.name) or own_reason(entry, is_folder=is_folder)
    if reason or is_folder:
        return reason
    suffix = PurePath(entry.name).suffix
    unlike = _reason_against_text(entry.path) if suffix.lower() == _TEXT_SUFFIX else None
    if suffix.lower() not in suffixes or unlike is not None:
        if unlike:
            return unlike
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        return f"not an image by its name ({suffix or 'no ending'}); images end in {endings}"
    # A link to nothing stays in: reading it gives an error that someone will see.
    regular = entry.is_symlink() or entry.is_file()
    return None if regular else "not a regular file"


def _reason_against_text(path: str) -> str | None:
    from twinspect.data.annotations.yolo import reason_against  # noqa: PLC0415 - with all formats

    return reason_against(Path(path))


def _sample_key(sample: Sample) -> tuple[object, ...]:
    split = SPLITS.index(sample.split)
    return natural_key(sample.category), split, natural_key(sample.label), natural_key(sample.name)
