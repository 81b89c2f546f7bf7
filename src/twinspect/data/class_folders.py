"""Folders by class: images in one folder for each class, before anybody says which class is good."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from twinspect.data.folder_names import role_of
from twinspect.data.layouts import SPLITS
from twinspect.data.listing import Listing, child_folders, find_files, folder_name, relative_name
from twinspect.data.samples import ClassSet, Sample
from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.data.samples import Split

EXPECTED_CLASSES = (
    "expected train/<class> and test/<class>; or class folders without a split; "
    "or an .npz with x_train, y_train, x_test and y_test"
)


def read_class_folders(root: Path, test_every: int) -> ClassSet:
    """List the images of class folders, each labelled with its class.

    With ``train/<class>`` and ``test/<class>`` the folders say what is for testing; images in
    ``calibration/<class>`` or ``validation/<class>`` are for calibration. Without them the sub-folders are the
    classes, and of each class every ``test_every``-th image in sorted order is for testing. Below a class
    folders may nest.

    Raises:
        DataError: there are no class folders, only one half of a split, or another layout begins further down.
    """
    listing = Listing()
    folders = child_folders(root, listing)
    if _is_split(root, folders):
        layout = "train/<class> and test/<class>"
        _read_split(root, folders, listing)
    else:
        layout = (
            f"class folders without a split: image {test_every}, {2 * test_every}, ... of each is for testing"
        )
        listing = _read_unsplit(root, test_every)
    if not listing.samples:
        raise DataError(f"{root}: no class folders with images in it; {EXPECTED_CLASSES}")
    return ClassSet.of(listing.to_data_set(folder_name(root), root, layout))


def _is_split(root: Path, folders: list[Path]) -> bool:
    """Tell a split from classes named ``train`` or ``test``: one alone beside other classes is a class."""
    roles = {role_of(folder.name): folder for folder in folders}
    halves = [roles[role] for role in ("train", "test") if role in roles]
    if len(halves) == 1 and roles.keys() <= SPLITS:
        (half,) = halves
        other = "test" if "train" in roles else "train"
        remedy = f"add {other}/<class>, or name {half} itself to have it split"
        raise DataError(f"{root}: has {half.name}/ but no {other}/; {remedy}")
    return len(halves) == 2


def _read_split(root: Path, folders: list[Path], listing: Listing) -> None:
    for folder in folders:
        role = role_of(folder.name)
        if role in SPLITS:
            add_classes(listing, folder, root, cast("Split", role))
        else:
            listing.skip(
                folder, "lies beside train/ and test/; allowed there are train, calibration, validation, test"
            )


def add_classes(listing: Listing, folder: Path, root: Path, split: Split) -> None:
    """Add the images of class folders, each labelled with its class."""
    for label, path in _by_class(folder, listing):
        listing.samples.append(Sample(path, relative_name(path, root), split, label))


def _read_unsplit(root: Path, test_every: int) -> Listing:
    listing = Listing()
    counts: Counter[str] = Counter()
    for label, path in _by_class(root, listing):
        counts[label] += 1
        for_test = counts[label] % test_every == 0
        listing.samples.append(
            Sample(path, relative_name(path, root), "test" if for_test else "train", label)
        )
    return listing


def _by_class(folder: Path, listing: Listing) -> Iterator[tuple[str, Path]]:
    """Give every image below a folder with its class, in sorted order."""
    found = find_files(folder, listing)
    for mask in (*found.masks, *found.annotations):
        listing.skip(mask, "a mask, by its name; where whole classes are anomalous no masks are needed")
    for path in found.images:
        label, *inner = path.relative_to(folder).parts
        if inner:
            _check_inner(folder / label, inner[:-1])
            yield label, path
        else:
            listing.skip(path, "lies beside the class folders, so its class is unknown")


def _check_inner(folder: Path, inner: list[str]) -> None:
    """Refuse to take a whole data set, with its tests and masks, for the images of one class."""
    for name in inner:
        if role_of(name) in SPLITS:
            remedy = f"name {folder} if its data is meant, or put {name}/ above the classes"
            raise DataError(f"{folder}: holds {name}/, so it is not a class folder; {remedy}")
