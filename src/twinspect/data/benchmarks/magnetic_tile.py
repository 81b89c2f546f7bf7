"""Magnetic tile defects: five kinds of defects on tiles of different lighting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.fixed_split import describe_split, split_images
from twinspect.data.benchmarks.loader_base import add_usable, build_data_set, pair_with_masks
from twinspect.data.benchmarks.root_folder import complete_root
from twinspect.data.listing import Listing, find_images, relative_name
from twinspect.data.samples import GOOD, Sample

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.data.samples import DataSet

_KINDS: Final = ("Blowhole", "Break", "Crack", "Fray", "Free", "Uneven")
_MASK_SUFFIX: Final = ".png"


def MagneticTile(root: str | os.PathLike[str], *, test_every: int = 5) -> DataSet:
    """Magnetic tile defects: ``MT_Free`` is good; the other five kinds have masks.

    ``MT_<kind>/Imgs/*.jpg`` and, for the mask, the same name with ``.png``. There is no official split. Here every
    defect is tested, and of the good images, in the natural order of their names, number ``test_every``, 2
    ``test_every`` and so on; the others are trained on. Some tiles were photographed several times, so both sides may
    show the same tile.

    Args:
        root: the folder that holds ``MT_Free``, ``MT_Blowhole`` and so on.
        test_every: see above.

    Raises:
        DataError: it is another folder or still an archive, or a kind is missing; says what to type.
        ConfigError: ``test_every`` is below 2.

    Source: Huang et al., The Visual Computer 2020; https://github.com/abin24/Magnetic-tile-defect-datasets.
    """
    entry = CATALOGUE["MagneticTile"]
    folder = complete_root(root, entry, [f"MT_{kind}/Imgs" for kind in _KINDS])
    listing = Listing()
    samples = [sample for kind in _KINDS for sample in _kind(folder, kind, listing)]
    add_usable(listing, split_images(samples, test_every))
    return build_data_set(entry, listing, folder, f"MT_<kind>/Imgs; {describe_split('images', test_every)}")


def _kind(root: Path, kind: str, listing: Listing) -> Iterator[Sample]:
    files = find_images(root / f"MT_{kind}" / "Imgs", listing)
    masks = [path for path in files if path.suffix.lower() == _MASK_SUFFIX]
    images = [path for path in files if path.suffix.lower() != _MASK_SUFFIX]
    label = GOOD if kind == "Free" else kind
    for path, mask in pair_with_masks(images, masks, "", listing):
        defect_mask = None if label == GOOD else mask
        yield Sample(path, relative_name(path, root), "test", label, "MagneticTile", defect_mask)
