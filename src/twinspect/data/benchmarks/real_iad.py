"""Real-IAD: thirty products seen from five sides, split by JSON files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from twinspect.data.benchmarks.by_category import check_categories, check_parts
from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.listed_files import listed_samples
from twinspect.data.benchmarks.loader_base import build_data_set
from twinspect.data.benchmarks.root_folder import benchmark_root, missing_parts
from twinspect.data.listing import Listing, label_from, relative_name
from twinspect.data.samples import GOOD, Sample
from twinspect.errors import ConfigError, DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.data.benchmarks.by_category import Categories
    from twinspect.data.samples import DataSet, Split

Views = Literal["multi", "single"]
Size = Literal[256, 512, 1024]
_JSONS: Final = ("realiad_jsons/realiad_jsons", "realiad_jsons")
_SINGLE_JSONS: Final = ("realiad_jsons/realiad_jsons_sv", "realiad_jsons_sv")
_TOP: Final = "_C1_"
"""Part of the name of every image taken from above."""
_PARTS: Final[tuple[Split, ...]] = ("train", "test")


def RealIAD(
    root: str | os.PathLike[str],
    categories: Categories = None,
    *,
    views: Views = "multi",
    size: Size = 1024,
) -> DataSet:
    """Real-IAD: thirty products, with masks, split by the official JSON files.

    ``realiad_<size>/<category>/...`` and ``realiad_jsons/<category>.json``, also in a second ``realiad_jsons`` folder
    inside the first. A JSON lists ``train`` and ``test``, each image with ``image_path`` and ``mask_path`` below its
    category's folder and ``anomaly_class``, where ``OK`` is good.

    Args:
        root: the folder that holds ``realiad_1024`` and ``realiad_jsons``.
        categories: some of them; otherwise all must be there.
        views: ``multi`` for all five views of an object; ``single`` for the one from above: as the files in
            ``realiad_jsons_sv`` split it if they are there, else those of ``multi`` with ``_C1_`` in their names.
            ``layout`` says which. Only with ``multi`` an image says which object it shows (``Sample.group``): the
            folder that holds the views of one, ``NG/<defect>/S0001`` for instance.
        size: 256, 512 or 1024: which of the resized copies.

    Raises:
        DataError: the folder is another one, still an archive, or lacks categories, JSON files or listed images;
            says what to type.
        ConfigError: an unknown category, view or size.

    Warns:
        PartialCopyWarning: there are more or fewer images than published.

    Source: Wang et al., CVPR 2024; https://realiad4ad.github.io/Real-IAD/
    """
    _check_choices(views, size)
    entry, images = CATALOGUE["RealIAD"], f"realiad_{size}"
    names = check_categories(entry, categories)
    folder = benchmark_root(root, entry, lambda path: _fits(path, images), f"{images}/ and realiad_jsons/")
    check_parts(folder / images, entry, names, ())
    jsons, only_top = _find_jsons(folder, views)
    _check_jsons(folder, jsons, names)
    listing = Listing()
    for name in names:
        rows = _rows(jsons / f"{name}.json", folder / images / name, folder)
        kept = (row for row in rows if not only_top or _TOP in row.path.name)
        if views == "multi":
            kept = (replace(row, group=relative_name(row.path.parent, folder)) for row in kept)
        listing.add(listed_samples(kept, folder, entry))
    layout = f"{images}, split by {relative_name(jsons, folder)}{f', {_TOP} only' if only_top else ''}"
    whole = views == "multi" and len(names) == len(entry.categories)
    return build_data_set(entry, listing, folder, layout, whole=whole)


def _fits(path: Path, images: str) -> bool:
    return (path / images).is_dir() and _jsons(path, _JSONS) is not None


def _find_jsons(root: Path, views: Views) -> tuple[Path, bool]:
    """Return the folder of JSON files, and whether all but the view from above must be left out of them."""
    single = _jsons(root, _SINGLE_JSONS) if views == "single" else None
    return single or _jsons(root, _JSONS) or root, views == "single" and single is None


def _check_choices(views: object, size: object) -> None:
    for name, value, allowed in (("views", views, get_args(Views)), ("size", size, get_args(Size))):
        if value not in allowed:
            raise ConfigError(f"{name} is {value!r}; allowed are {', '.join(map(repr, allowed))}")


def _jsons(root: Path, folders: tuple[str, ...]) -> Path | None:
    """Return the first of the folders that holds JSON files."""
    return next((root / folder for folder in folders if any((root / folder).glob("*.json"))), None)


def _check_jsons(root: Path, jsons: Path, names: tuple[str, ...]) -> None:
    files = [jsons / f"{name}.json" for name in names]
    if missing := [relative_name(path, root) for path in files if not path.is_file()]:
        raise missing_parts(root, CATALOGUE["RealIAD"], missing, "unpack realiad_jsons there")


def _rows(path: Path, folder: Path, root: Path) -> Iterator[Sample]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [(split, row) for split in _PARTS for row in content[split]]
        samples = [_sample(row, folder, root, split) for split, row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "'train' and 'test', lists of image_path, mask_path and anomaly_class"
        raise DataError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); expected {expected}"
        ) from error
    yield from samples


def _sample(row: dict[str, Any], folder: Path, root: Path, split: Split) -> Sample:
    path = folder / row["image_path"]
    label = label_from(row["anomaly_class"])
    # A view that does not show the defect is a good image, whatever mask may be named.
    mask = folder / row["mask_path"] if row.get("mask_path") and label != GOOD else None
    return Sample(path, relative_name(path, root), split, label, folder.name, mask)
