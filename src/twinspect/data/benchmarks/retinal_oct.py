"""Retinal OCT: normal retinas against three diseases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.loader_base import build_data_set
from twinspect.data.benchmarks.root_folder import complete_root
from twinspect.data.listing import Listing, find_images, label_from, relative_name, with_category
from twinspect.data.samples import Sample

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from twinspect.data.samples import DataSet, Split

_DISEASES: Final = ("CNV", "DME", "DRUSEN")
_REQUIRED: Final = ("train/NORMAL", "test/NORMAL", *(f"test/{name}" for name in _DISEASES))


def RetinalOCT(root: str | os.PathLike[str]) -> DataSet:
    """Retinal OCT (Kermany): NORMAL is good; CNV, DME and DRUSEN are anomalous. No masks.

    ``train/NORMAL`` is trained on; the four folders in ``test`` are tested. The diseases in ``train`` are left out,
    and so is ``val``, whose eight good images are too few to calibrate on. Two editions are in use, with other
    numbers of images, so these are not checked.

    Args:
        root: the folder that holds ``train`` and ``test``.

    Raises:
        DataError: it is another folder or still an archive, or a folder is missing; says what to type.

    Source: Kermany et al., Cell 2018; https://data.mendeley.com/datasets/rscbjbr9sj
    """
    entry = CATALOGUE["RetinalOCT"]
    folder = complete_root(root, entry, _REQUIRED)
    listing = Listing()
    for part in _REQUIRED:
        _add(listing, folder / part, folder)
    _skip_unused(listing, folder)
    layout = "train/NORMAL, test/{NORMAL,CNV,DME,DRUSEN}"
    return build_data_set(entry, with_category(listing, entry.key), folder, layout)


def _add(listing: Listing, part: Path, root: Path) -> None:
    for path in find_images(part, listing):
        split: Split = "train" if part.parent.name == "train" else "test"
        listing.samples.append(Sample(path, relative_name(path, root), split, label_from(part.name)))


def _skip_unused(listing: Listing, root: Path) -> None:
    """List unused folders as a whole: they hold tens of thousands of images."""
    for name in _DISEASES:
        if (root / "train" / name).is_dir():
            listing.skip(root / "train" / name, "for training, but anomalous: fit must not see it")
    if (root / "val").is_dir():
        listing.skip(root / "val", "for validation, with too few good images to calibrate on")
