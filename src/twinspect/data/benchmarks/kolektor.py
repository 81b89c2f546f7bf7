"""KolektorSDD and KolektorSDD2: surfaces where only the mask says whether an image is defective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.fixed_split import describe_split, split_groups
from twinspect.data.benchmarks.loader_base import add_usable, build_data_set, pair_with_masks
from twinspect.data.benchmarks.root_folder import benchmark_root, missing_parts
from twinspect.data.listing import Listing, find_images, relative_name, subfolders, with_category
from twinspect.data.prefetching import default_workers, prefetch
from twinspect.data.samples import GOOD, Sample
from twinspect.errors import ImageError
from twinspect.images.reading import image_size, read_mask

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.data.samples import DataSet, Split

_DEFECT: Final = "defect"
_PARTS: Final[tuple[Split, ...]] = ("train", "test")


def KolektorSDD(root: str | os.PathLike[str], *, test_every: int = 5) -> DataSet:
    """KolektorSDD: 50 commutators, photographed in eight parts each, with masks.

    ``kosNN/PartN.jpg`` and ``kosNN/PartN_label.bmp``; an image is defective if its mask marks any pixel, so all masks
    are read. There is no official split for training on good images alone. Here every defective image is tested, and
    all images of commutator number ``test_every``, 2 ``test_every`` and so on in natural order; the other good ones
    are trained on. So no commutator has good images on both sides.

    Args:
        root: the folder that holds ``kos01`` to ``kos50``.
        test_every: see above.

    Raises:
        DataError: it is another folder or still an archive; says what to type.
        ConfigError: ``test_every`` is below 2.

    Source: Tabernik et al., Journal of Intelligent Manufacturing 2020; https://www.vicos.si/resources/kolektorsdd/
    """
    entry = CATALOGUE["KolektorSDD"]
    folder = benchmark_root(
        root, entry, lambda path: any(path.glob("kos*/Part*")), "kos01/Part0.jpg and so on"
    )
    listing = Listing()
    objects = [part for name, part in subfolders(folder, listing).items() if name.startswith("kos")]
    groups = [list(_label_by_masks(part, folder, "_label", "train", listing)) for part in objects]
    add_usable(listing, split_groups(groups, test_every))
    layout = f"kosNN/PartN.jpg, PartN_label.bmp; {describe_split('commutators', test_every)}"
    return build_data_set(entry, with_category(listing, entry.key), folder, layout)


def KolektorSDD2(root: str | os.PathLike[str]) -> DataSet:
    """KolektorSDD2: one kind of surface, with masks, in the official split.

    ``train/NNNNN.png`` and ``train/NNNNN_GT.png``, and the same in ``test/``; an image is defective if its mask marks
    any pixel, so all masks are read. Defective training images are left out.

    Args:
        root: the folder that holds ``train`` and ``test``.

    Raises:
        DataError: it is another folder or still an archive, or a half is missing; says what to type.

    Warns:
        PartialCopyWarning: there are more or fewer images than published.

    Source: Bozic et al., Computers in Industry 2021; https://www.vicos.si/resources/kolektorsdd2/
    """
    entry = CATALOGUE["KolektorSDD2"]
    expected = "train/NNNNN.png, train/NNNNN_GT.png and the same in test/"
    folder = benchmark_root(root, entry, lambda path: any(path.glob("t[er]*/*_GT.png")), expected)
    if missing := [part for part in _PARTS if not (folder / part).is_dir()]:
        raise missing_parts(folder, entry, missing, f"get it whole from {entry.page}")
    listing = Listing()
    for part in _PARTS:
        add_usable(listing, _label_by_masks(folder / part, folder, "_gt", part, listing))
    return build_data_set(entry, with_category(listing, entry.key), folder, expected)


def _label_by_masks(
    folder: Path, root: Path, ending: str, split: Split, listing: Listing
) -> Iterator[Sample]:
    """Give the images of a folder, each labelled by what its mask marks."""
    files = find_images(folder, listing)
    masks = {path for path in files if path.stem.casefold().endswith(ending)}
    pairs = list(
        pair_with_masks([path for path in files if path not in masks], sorted(masks), ending, listing)
    )
    marked = prefetch([mask for _, mask in pairs], _is_defective, workers=default_workers(), ahead=64)
    for (path, mask), defective in zip(pairs, marked, strict=True):
        if isinstance(defective, str):
            listing.skip(path, defective)
        else:
            label = _DEFECT if defective else GOOD
            yield Sample(path, relative_name(path, root), split, label, mask=mask if defective else None)


def _is_defective(mask: Path | None) -> bool | str:
    """Tell whether a mask marks any pixel, or say why that cannot be known."""
    if mask is None:
        return "has no mask, which alone would say whether it is defective"
    try:
        return bool(read_mask(mask, image_size(mask)).any())
    except ImageError as error:
        return f"its mask cannot be read: {error}"
