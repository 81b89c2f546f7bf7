"""Folder layouts: which image is for what, told by the folders that hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.data.listing import (
    GOOD_NAMES,
    Listing,
    find_images,
    folder_name,
    label_from,
    relative_name,
    subfolders,
    with_category,
)
from twinspect.data.masks import attach_masks
from twinspect.data.samples import GOOD, Sample
from twinspect.data.saturation_rules import mask_attacher
from twinspect.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.data.samples import DataSet, Split
    from twinspect.data.saturation_rules import Attach

EXPECTED = (
    "expected a folder of good images; or train/good, test/good and test/<defect>; "
    "or a folder of categories, each like that; or a .csv or .parquet manifest"
)
SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train",
    "calibration": "calibration",
    "validation": "calibration",
    "test": "test",
}
"""What a folder says of the images in it by its name, in any case."""
MASK_FOLDER = "ground_truth"


def read_folder(root: Path, split: Split) -> DataSet:
    """Recognise a folder's layout and list its images.

    The layouts, the first that fits winning:

    * MVTec: ``train/good``, perhaps ``calibration/good`` or ``validation/good``, ``test/good``,
      ``test/<defect>`` and ``ground_truth/<defect>/<name>_mask.png``. Images directly in ``train`` count
      as good. Beside a ``defects_config.json`` masks are ``ground_truth/<defect>/<name>/<nnn>.png``, as in
      MVTec LOCO AD.
    * class folders: ``good`` beside ``<defect>`` folders: the good ones get ``split``, the others are for
      testing.
    * categories: sub-folders in one of the two layouts above, each named by its folder.
    * plain folder: every image in it and below gets ``split``.

    A folder ``normal`` or ``ok`` stands for ``good``, in any case.

    Args:
        root: the folder.
        split: of images whose folders do not say what they are for. With ``test``, ``train`` may be missing.

    Raises:
        DataError: no layout fits, or there are no images.
    """
    name = folder_name(root)
    listing = Listing()
    folders = subfolders(root, listing)
    if _is_category(folders):
        listing, layout = _read_category(root, root, split)
    elif categories := [folder for folder in folders.values() if _is_category(subfolders(folder, Listing()))]:
        listing, layout = _read_categories(root, list(folders.values()), categories, split)
    else:
        listing, layout = _read_plain(root, split)
    if not listing.samples:
        raise DataError(f"{root}: no images in it{_example(listing)}; {EXPECTED}")
    return listing.to_data_set(name, root, layout)


def _is_category(folders: dict[str, Path]) -> bool:
    return bool(folders.keys() & {"train", "test"}) or bool(folders.keys() & GOOD_NAMES)


def _example(listing: Listing) -> str:
    if not listing.skipped:
        return ""
    first = listing.skipped[0]
    return f" ({len(listing.skipped)} left out, such as {first.path.name!r}: {first.reason})"


def _read_categories(
    root: Path, folders: list[Path], categories: list[Path], split: Split
) -> tuple[Listing, str]:
    listing = Listing()
    subfolders(root, listing)  # names the loose files
    layouts = set()
    for folder in folders:
        if folder in categories:
            part, layout = _read_category(folder, root, split)
            listing.add(part)
            layouts.add(layout)
        else:
            listing.skip(folder, "not a category: it holds neither train/ nor good/")
    return listing, f"folder of {len(categories)} categories, each: {' or '.join(sorted(layouts))}"


def _read_category(folder: Path, root: Path, split: Split) -> tuple[Listing, str]:
    """Read one product's folder in MVTec layout or as class folders."""
    listing = Listing()
    folders = subfolders(folder, listing)
    if folders.keys() & {"train", "test"}:
        _check_has_train(folder, folders, split)
        part = read_mvtec(folders, root, mask_attacher(folder, listing))
        layout = "MVTec layout" if "train" in folders else "MVTec layout without train/, for testing only"
        if split == "train" and not any(sample.split == "train" for sample in part.samples):
            raise DataError(f"{folders['train']}: no images to train on; expected them in train/good")
    else:
        part, layout = _read_classes(folder, folders, root, split)
    listing.add(part)
    return with_category(listing, folder_name(folder)), layout


def _check_has_train(folder: Path, folders: dict[str, Path], split: Split) -> None:
    if "train" not in folders and split != "test":
        remedy = f"add train/good, or name the folder of good images itself, such as {folders['test'] / GOOD}"
        raise DataError(f"{folder}: has test/ but no train/; {remedy}")


def read_mvtec(folders: dict[str, Path], root: Path, attach: Attach = attach_masks) -> Listing:
    """Read the folders of one category in MVTec layout.

    Args:
        folders: by their names in lower case, as `subfolders` gives them.
        root: where the samples' names begin.
        attach: gives the images below ``test`` the masks below ``ground_truth``.
    """
    listing = Listing()
    for name, folder in folders.items():
        if name in SPLIT_FOLDERS:
            part = _read_split(folder, root, SPLIT_FOLDERS[name])
            if name == "test" and MASK_FOLDER in folders:
                part = attach(part, folder, folders[MASK_FOLDER])
            listing.add(part)
        elif name != MASK_FOLDER:
            known = ", ".join(f"{known}/" for known in [*SPLIT_FOLDERS, MASK_FOLDER])
            listing.skip(folder, f"not part of the MVTec layout, which has {known}")
    return listing


def _read_split(folder: Path, root: Path, split: Split) -> Listing:
    """Read ``train``, ``calibration`` or ``test``: one sub-folder a label."""
    listing = Listing()
    for path in find_images(folder, listing):
        parts = path.relative_to(folder).parts
        label = label_from(parts[0]) if len(parts) > 1 else None
        if split == "test" and label is None:
            listing.skip(path, f"has no label; put it into {folder.name}/good or {folder.name}/<defect>")
        elif split != "test" and label not in (GOOD, None):
            listing.skip(
                path, f"only good images may be in {folder.name}/; defects belong into test/<defect>"
            )
        else:
            listing.samples.append(Sample(path, relative_name(path, root), split, label or GOOD))
    return listing


def _read_classes(folder: Path, folders: dict[str, Path], root: Path, split: Split) -> tuple[Listing, str]:
    """Read ``good`` beside other folders: good images get the split asked for, the others are for testing."""
    listing = Listing()
    for name, sub in folders.items():
        if name != MASK_FOLDER:
            label = label_from(sub.name)
            for path in find_images(sub, listing):
                sample_split: Split = split if label == GOOD else "test"
                listing.samples.append(Sample(path, relative_name(path, root), sample_split, label))
    if MASK_FOLDER in folders:
        listing = attach_masks(listing, folder, folders[MASK_FOLDER])
    labels = sorted({sample.label for sample in listing.samples if not sample.is_good})
    defects = f"; for testing, as defects: {', '.join(labels)}" if labels else ""
    return listing, f"class folders: good ({split}){defects}"


def _read_plain(root: Path, split: Split) -> tuple[Listing, str]:
    listing = Listing()
    for path in find_images(root, listing):
        if split != "test":
            _check_plain(path, root)
        listing.samples.append(Sample(path, relative_name(path, root), split))
    return listing, f"plain folder: every image in it and below ({split}), without labels"


def _check_plain(path: Path, root: Path) -> None:
    """Refuse to take images as good that lie in folders of another layout."""
    for parent in path.relative_to(root).parents:
        if parent.name.casefold() in {*SPLIT_FOLDERS, MASK_FOLDER, *GOOD_NAMES}:
            remedy = f"name the folder that holds {parent.name}/, or move the images"
            raise DataError(
                f"{root}: {parent.as_posix()}/ is part of a layout that does not start here; {remedy}"
            )
