"""DAGM 2007: ten artificial textures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.by_category import read_categories
from twinspect.data.benchmarks.loader_base import add_usable, pair_with_masks
from twinspect.data.listing import Listing, find_images, relative_name
from twinspect.data.samples import GOOD, Sample

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.data.benchmarks.by_category import Categories
    from twinspect.data.samples import DataSet, Split

_SPLITS: Final[dict[str, Split]] = {"Train": "train", "Test": "test"}
_MASKS: Final = "Label"


def DAGM(root: str | os.PathLike[str], categories: Categories = None) -> DataSet:
    """DAGM 2007: ten textures, with coarse masks (ellipses), in the official split.

    ``ClassN/{Train,Test}/*.PNG`` and ``ClassN/{Train,Test}/Label/*_label.PNG``; an image is defective if it has such
    a mask. Defective training images are left out.

    Args:
        root: the folder that holds ``Class1`` to ``Class10``.
        categories: some of them; otherwise all must be there.

    Raises:
        DataError: the folder is another one, still an archive, or lacks categories; says what to type.
        ConfigError: an unknown category.

    Warns:
        PartialCopyWarning: there are more or fewer test images than published.

    Source: Wieler & Hahn, DAGM 2007; see ``CATALOGUE["DAGM"].page``
    """
    layout = "{Train,Test}/*.PNG, {Train,Test}/Label/*_label.PNG"
    parts = tuple(part for name in _SPLITS for part in (name, f"{name}/{_MASKS}"))
    return read_categories("DAGM", root, categories, read=_read, parts=parts, layout=layout)


def _read(folder: Path, root: Path) -> Listing:
    listing = Listing()
    for name, split in _SPLITS.items():
        add_usable(listing, _half(folder / name, root, split, listing))
    return listing


def _half(folder: Path, root: Path, split: Split, listing: Listing) -> Iterator[Sample]:
    files = find_images(folder, listing)
    images = [path for path in files if path.parent.name != _MASKS]
    masks = [path for path in files if path.parent.name == _MASKS]
    for path, mask in pair_with_masks(images, masks, "_label", listing):
        yield Sample(path, relative_name(path, root), split, "defect" if mask else GOOD, mask=mask)
