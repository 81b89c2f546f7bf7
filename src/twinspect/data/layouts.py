"""Folder layouts: which image is for what, told by the folders that hold it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from twinspect.data.folder_names import role_of
from twinspect.data.listing import (
    ANNOTATION_SUFFIX,
    NO_LABEL,
    FoundFiles,
    Listing,
    child_folders,
    find_files,
    find_masks,
    folder_name,
    label_from,
    relative_name,
    with_category,
)
from twinspect.data.masks import attach_masks, damage_of, label_of
from twinspect.data.pixels import is_marked
from twinspect.data.samples import GOOD, Sample
from twinspect.data.saturation_rules import mask_attacher
from twinspect.data.unlabelled import doubt_about, doubt_about_classes
from twinspect.errors import DataError
from twinspect.images.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twinspect.data.folder_names import Role
    from twinspect.data.samples import DataSet, Split

EXPECTED = (
    "expected a folder of good images; or train/good, test/good and test/<defect>; "
    "or a folder of categories, each like that; or a .csv or .parquet manifest"
)
_CONTRADICTION: Final = "lies with good images, but its mask marks a defect or cannot be read"
SPLITS: Final = frozenset({"train", "calibration", "test"})
_LAYOUT_ROLES: Final = SPLITS | {"good", "defect", "masks", "images"}


class RoleFolder(NamedTuple):
    """A folder, and what it holds by its name."""

    role: Role
    path: Path


class Contents(NamedTuple):
    """What lies in a folder: its sub-folders, and whether there are images beside them."""

    folders: list[RoleFolder]
    has_images: bool

    def hold(self, *roles: Role) -> bool:
        """Whether a sub-folder has one of these roles."""
        return any(folder.role in roles for folder in self.folders)


@dataclass(frozen=True)
class Layout:
    """A way to lay out folders.

    Attributes:
        fits: whether a folder that holds this is laid out so.
        read: lists its images; arguments are the folder, the folder at which names of images begin, and the split of
            images whose folders do not say what they are for. Returns the images and the layout in words.
    """

    fits: Callable[[Contents], bool]
    read: Callable[[Path, Path, Split], tuple[Listing, str]]


def read_folder(root: Path, split: Split) -> DataSet:
    """Recognise a folder's layout and list its images.

    The layouts, the first that fits winning; names are recognised by :func:`.folder_names.role_of`, in any case:

    * MVTec: ``train/good``, perhaps ``calibration/good`` or ``validation/good``, ``test/good``,
      ``test/<defect>`` and ``ground_truth/<defect>/<name>_mask.png``. Images directly in ``train`` count
      as good. Beside a ``defects_config.json`` masks are ``ground_truth/<defect>/<name>/<nnn>.png``, as in
      MVTec LOCO AD.
    * class folders: ``good`` beside ``<defect>`` folders: the good ones get ``split``, the others are for
      testing.
    * categories: sub-folders in one of the two layouts above, each named by its folder.
    * plain folder: every image in it and below gets ``split``; those that a mask marks are defective, for testing.

    Masks lie in a folder called ``ground_truth``, ``masks``, ``labels`` or the like, at the top, beside images or
    inside a class folder; see :func:`.masks.attach_masks`. LabelMe and COCO files are masks too. The contents of a
    folder ``images`` count as if they lay beside it. Where folders do not say which images are good, that is an
    error, or the ``doubt`` of a data set for testing.

    Args:
        root: the folder.
        split: of images whose folders do not say what they are for. With ``test``, ``train`` may be missing.

    Raises:
        DataError: no layout fits, it is not known which images are good, or there are no images.
    """
    contents = _look_into(root)
    layout = next(layout for layout in LAYOUTS if layout.fits(contents))
    listing, words = layout.read(root, root, split)
    if not listing.samples:
        raise DataError(f"{root}: no images in it{_example(listing)}; {EXPECTED}")
    if listing.doubt and split != "test":
        raise listing.doubt
    return listing.to_data_set(folder_name(root), root, words)


def read_all_good(root: Path, split: Split) -> DataSet:
    """Take every image in a folder and below for good, whatever the folders are called.

    Folders of masks are left out.

    Raises:
        DataError: there are no images.
    """
    listing, found = Listing(), FoundFiles()
    for path in _images_below(root, listing, found):
        listing.samples.append(Sample(path, relative_name(path, root), split))
    for path in (*found.masks, *found.annotations):
        listing.skip(path, "not needed where every image is good")
    if not listing.samples:
        raise DataError(f"{root}: no images in it{_example(listing)}")
    return listing.to_data_set(
        folder_name(root), root, f"every image in it and below taken as good ({split})"
    )


def layout_folders(folder: Path, listing: Listing) -> list[RoleFolder]:
    """List a folder's visible sub-folders by what they hold; those of a folder of images stand for it.

    Args:
        folder: the folder to look into.
        listing: notes its files and hidden folders, which are left out.
    """
    result: list[RoleFolder] = []
    for path in child_folders(folder, listing):
        role = role_of(path.name)
        inside = Listing()
        inner = layout_folders(path, inside) if role == "images" else []
        if any(child.role in _LAYOUT_ROLES for child in inner):
            result += inner
            listing.add(inside)
        else:
            result.append(RoleFolder(role, path))
    return result


def _look_into(folder: Path) -> Contents:
    loose = Listing()
    folders = layout_folders(folder, loose)
    return Contents(folders, any(left.path.suffix.lower() in IMAGE_SUFFIXES for left in loose.skipped))


def read_mvtec(folder: Path, root: Path) -> Listing:
    """Read one category in MVTec layout.

    Args:
        folder: holds ``train``, ``test`` and ``ground_truth``.
        root: where the samples' names begin.
    """
    listing = Listing()
    found = FoundFiles()
    for role, path in layout_folders(folder, listing):
        if role in SPLITS:
            listing.add(_read_split(path, root, cast("Split", role), found))
        elif role == "masks":
            found.add(find_masks(path, listing))
        elif role == "unlabelled":
            listing.skip(path, "its images have no labels")
        else:
            known = ", ".join(
                f"{known}/" for known in ("train", "calibration", "validation", "test", "ground_truth")
            )
            listing.skip(path, f"not part of the MVTec layout, which has {known}")
    return _settle_labels(_with_masks(listing, found, folder))


def _with_masks(listing: Listing, found: FoundFiles, folder: Path) -> Listing:
    """Give images their masks; leave out those that lie with the good ones and yet are marked."""
    found.annotations += _loose_annotations(listing)
    return _without_contradictions(mask_attacher(folder, found)(listing, found, folder))


def _without_contradictions(listing: Listing) -> Listing:
    result = Listing(skipped=listing.skipped, doubt=listing.doubt)
    for sample in listing.samples:
        if sample.label == GOOD and is_marked(sample):
            result.skip(sample.path, _CONTRADICTION)
        else:
            result.samples.append(sample)
    return result


def _settle_labels(listing: Listing) -> Listing:
    """Label images of ``train`` and ``test`` that no folder labels, by their masks; leave out what has none."""
    result = Listing(skipped=listing.skipped, doubt=listing.doubt)
    for sample in listing.samples:
        part = sample.path.parent.name
        if sample.label != NO_LABEL:
            result.samples.append(sample)
        elif damage := damage_of(sample):
            result.skip(sample.path, damage)
        elif sample.split == "test" and not sample.masks:
            result.skip(sample.path, f"has no label; put it into {part}/good or {part}/<defect>")
        elif sample.split == "test" or not is_marked(sample):
            result.samples.append(replace(sample, label=label_of(sample) if is_marked(sample) else GOOD))
        else:
            result.skip(sample.path, "its mask marks a defect; only good images may be in train")
    return result


def _settle_plain(listing: Listing, split: Split) -> Listing:
    """Label images that no folder labels by their masks; damaged annotations keep them out of training."""
    result = Listing(skipped=listing.skipped, doubt=listing.doubt)
    for sample in listing.samples:
        if split != "test" and (damage := damage_of(sample)):
            result.skip(sample.path, damage)
        elif is_marked(sample):
            result.samples.append(replace(sample, label=label_of(sample), split="test"))
        else:
            result.samples.append(replace(sample, label=GOOD))
    return result


def _loose_annotations(listing: Listing) -> list[Path]:
    """Take the JSON files that lie beside folders, and were left out, out of the list of those."""
    loose = [left.path for left in listing.skipped if left.path.suffix.lower() == ANNOTATION_SUFFIX]
    listing.skipped = [left for left in listing.skipped if left.path not in loose]
    return loose


def _example(listing: Listing) -> str:
    if not listing.skipped:
        return ""
    first = listing.skipped[0]
    return f" ({len(listing.skipped)} left out, such as {first.path.name!r}: {first.reason})"


def _is_split(contents: Contents) -> bool:
    return contents.hold("train", "test")


def _is_classes(contents: Contents) -> bool:
    # Images beside a folder of defects may be the good ones, or not looked at yet: their labels are not known.
    return contents.hold("good") or (contents.hold("defect") and not contents.has_images)


def _holds_categories(contents: Contents) -> bool:
    return any(_category_layout(folder) for folder in contents.folders)


def _category_layout(folder: RoleFolder) -> Layout | None:
    if folder.role == "masks":
        return None
    contents = _look_into(folder.path)
    return next((layout for layout in (SPLIT_FOLDERS, CLASS_FOLDERS) if layout.fits(contents)), None)


def _read_categories(folder: Path, root: Path, split: Split) -> tuple[Listing, str]:
    listing, found = Listing(), FoundFiles()
    words = []
    for child in layout_folders(folder, listing):  # which notes the loose files
        if child.role == "masks":
            found.add(find_masks(child.path, listing))
        elif layout := _category_layout(child):
            part, category_words = layout.read(child.path, root, split)
            listing.add(part)
            words.append(category_words)
        else:
            listing.skip(child.path, "not a category: it holds neither train/ nor good/")
    found.annotations += _loose_annotations(listing)
    if found.masks or found.annotations:  # those of all categories together
        listing = _without_contradictions(attach_masks(listing, found, folder))
    return listing, f"folder of {len(words)} categories, each: {' or '.join(sorted(set(words)))}"


def _read_split_folders(folder: Path, root: Path, split: Split) -> tuple[Listing, str]:
    """Read a product in MVTec layout."""
    folders = {child.role: child.path for child in layout_folders(folder, Listing())}
    if "train" not in folders and split != "test":
        remedy = f"add train/good, or name the folder of good images itself, such as {folders['test'] / GOOD}"
        raise DataError(f"{folder}: has {folders['test'].name}/ but no train/; {remedy}")
    listing = read_mvtec(folder, root)
    if split == "train" and not any(sample.split == "train" for sample in listing.samples):
        raise DataError(f"{folders['train']}: no images to train on; expected them in train/good")
    layout = "MVTec layout" if "train" in folders else "MVTec layout without train/, for testing only"
    return with_category(listing, folder_name(folder)), layout


def _read_split(folder: Path, root: Path, split: Split, found: FoundFiles) -> Listing:
    """Read ``train``, ``calibration`` or ``test``: one sub-folder a label."""
    listing = Listing()
    for path in _images_below(folder, listing, found):
        # test/images/<defect> as well as test/<defect>/images; train/2024-05-01 as well as train/good
        silent = ("images",) if split == "test" else ("images", "batch")
        parts = [name for name in path.relative_to(folder).parts[:-1] if role_of(name) not in silent]
        label = label_from(parts[0]) if parts else None
        if split != "test" and label not in (GOOD, None):
            listing.skip(
                path, f"only good images may be in {folder.name}/; defects belong into test/<defect>"
            )
        else:
            listing.samples.append(Sample(path, relative_name(path, root), split, label or NO_LABEL))
    return listing


def _read_classes(folder: Path, root: Path, split: Split) -> tuple[Listing, str]:
    """Read ``good`` beside other folders: good images get the split asked for, the others are for testing."""
    listing = Listing()
    found = FoundFiles()
    folders = layout_folders(folder, listing)
    classes: Counter[Path] = Counter()
    for role, path in folders:
        if role == "masks":
            found.add(find_masks(path, listing))
        elif role == "unlabelled":
            listing.skip(path, "its images have no labels")
        else:
            label = GOOD if role == "calibration" else label_from(path.name)
            good_split = "calibration" if role == "calibration" else split
            sample_split: Split = good_split if label == GOOD else "test"
            for image in _images_below(path, listing, found):
                listing.samples.append(Sample(image, relative_name(image, root), sample_split, label))
                classes[path] += 1
    listing = _with_masks(listing, found, folder)
    labels = sorted({sample.label for sample in listing.samples if not sample.is_good})
    if not any(child.role in ("good", "calibration") for child in folders):
        listing.doubt = listing.doubt or doubt_about_classes(root, classes)
    is_known = listing.doubt is None and split != "test"
    if is_known and labels and all(sample.split == "test" for sample in listing.samples):
        raise DataError(
            f"{folder}: has defects ({', '.join(labels)}/) but no good images; expected them in good/"
        )
    words = f"class folders: good ({split})"
    if listing.doubt:
        words = "class folders, none of them good by its name"
    elif labels:
        words += f"; for testing, as defects: {', '.join(labels)}"
    return with_category(listing, folder_name(folder)), words


def _read_plain(root: Path, _: Path, split: Split) -> tuple[Listing, str]:
    listing, found = Listing(), FoundFiles()
    for path in _images_below(root, listing, found):
        listing.samples.append(Sample(path, relative_name(path, root), split, NO_LABEL))
    listing = _settle_plain(_with_masks(listing, found, root), split)
    listing.doubt = listing.doubt or doubt_about(root, listing.samples)
    marked = sum(not sample.is_good for sample in listing.samples)
    note = f"; {marked} with masks are for testing, as defects" if marked else ""
    number = len({sample.path.parent for sample in listing.samples} - {root})
    below = f" and its {number} sub-folders" if number > 1 else ""
    return listing, f"plain folder{below} without labels: every image in it and below ({split}){note}"


def _images_below(folder: Path, listing: Listing, found: FoundFiles) -> list[Path]:
    """List a folder's images; its masks and annotations are added to those found."""
    inside = find_files(folder, listing)
    found.masks += inside.masks
    found.annotations += inside.annotations
    return inside.images


SPLIT_FOLDERS: Final = Layout(_is_split, _read_split_folders)
CLASS_FOLDERS: Final = Layout(_is_classes, _read_classes)
CATEGORIES: Final = Layout(_holds_categories, _read_categories)
PLAIN: Final = Layout(lambda _: True, _read_plain)
LAYOUTS: Final = (SPLIT_FOLDERS, CLASS_FOLDERS, CATEGORIES, PLAIN)
"""Every layout; the first that fits a folder is meant."""
