"""MVTec 3D-AD: its colour images, without the point clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from twinspect.data.benchmarks.by_category import read_categories
from twinspect.data.benchmarks.loader_base import add_usable, pair_with_masks
from twinspect.data.folder_names import role_of
from twinspect.data.listing import Listing, find_images, label_from, relative_name, subfolders
from twinspect.data.samples import GOOD, Sample

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.data.benchmarks.by_category import Categories
    from twinspect.data.samples import DataSet, Split

_PARTS = ("train", "validation", "test")


def MVTec3D(root: str | os.PathLike[str], categories: Categories = None) -> DataSet:
    """MVTec 3D-AD, RGB only: ten products, with masks.

    ``<category>/{train,validation,test}/<kind>/rgb/*.png`` and ``gt/*.png``; ``xyz/*.tiff`` is not read. The split is
    the official one; validation images are for calibration. The empty masks of good images are not used.

    Args:
        root: the unpacked folder, which holds ``bagel``, ``cable_gland`` and so on.
        categories: some of them; otherwise all must be there.

    Raises:
        DataError: the folder is another one, still an archive, or lacks categories; says what to type.
        ConfigError: an unknown category.

    Warns:
        PartialCopyWarning: there are more or fewer images than published.

    Source: Bergmann et al., VISAPP 2022; https://www.mvtec.com/company/research/datasets/mvtec-3d-ad
    """
    layout = "{train,validation (calibration),test}/<kind>/rgb, masks in gt; point clouds are not read"
    return read_categories("MVTec3D", root, categories, read=_read, parts=_PARTS, layout=layout)


def _read(folder: Path, root: Path) -> Listing:
    listing = Listing()
    for part in _PARTS:
        for kind in subfolders(folder / part, listing).values():
            add_usable(listing, _kind(kind, root, cast("Split", role_of(part)), listing))
    return listing


def _kind(folder: Path, root: Path, split: Split, listing: Listing) -> Iterator[Sample]:
    label = label_from(folder.name)
    parts = subfolders(folder, listing)
    images = find_images(parts["rgb"], listing) if "rgb" in parts else []
    masks = find_images(parts["gt"], listing) if "gt" in parts and label != GOOD else []
    for path, mask in pair_with_masks(images, masks, "", listing):
        yield Sample(path, relative_name(path, root), split, label, mask=mask)
