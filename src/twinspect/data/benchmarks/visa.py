"""VisA: the official folder with its table of splits, or the copy in MVTec layout."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from twinspect.data.benchmarks.by_category import check_categories, check_parts, read_categories
from twinspect.data.benchmarks.catalogue import CATALOGUE
from twinspect.data.benchmarks.listed_files import listed_samples
from twinspect.data.benchmarks.loader_base import build_data_set
from twinspect.data.benchmarks.mvtec_layout import LAYOUT, PARTS
from twinspect.data.benchmarks.root_folder import benchmark_root
from twinspect.data.layouts import read_mvtec
from twinspect.data.samples import Sample
from twinspect.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.data.benchmarks.by_category import Categories
    from twinspect.data.samples import DataSet, Split

_TABLE: Final = "split_csv/1cls.csv"
_COLUMNS: Final = ("object", "split", "label", "image", "mask")
_SPLITS: Final[dict[str, Split]] = {"train": "train", "test": "test"}
_LABELS: Final = {"normal": "good", "anomaly": "anomaly"}


def VisA(root: str | os.PathLike[str], categories: Categories = None) -> DataSet:
    """VisA: twelve products, with masks, split for one class as published (``split_csv/1cls.csv``).

    Either the official folder, ``<category>/Data/Images/{Normal,Anomaly}`` and ``<category>/Data/Masks/Anomaly``
    beside ``split_csv/1cls.csv``; or the copy that the authors' script makes in MVTec layout,
    ``<category>/train/good``, ``test/{good,bad}``, ``ground_truth/bad``, also when its ``1cls`` folder is one level
    down. Defects are labelled ``anomaly``, or ``bad`` in the copy.

    Args:
        root: the unpacked folder, which holds ``candle``, ``capsules`` and so on.
        categories: some of them; otherwise all must be there.

    Raises:
        DataError: the folder is another one, still an archive, or lacks categories or listed files; says what to
            type.
        ConfigError: an unknown category.

    Warns:
        PartialCopyWarning: there are more or fewer images than published.

    Source: Zou et al., ECCV 2022; https://github.com/amazon-science/spot-diff
    """
    entry = CATALOGUE["VisA"]
    names = check_categories(entry, categories)
    expected = f"{_TABLE} beside a folder for each category, or the copy in MVTec layout"
    folder = benchmark_root(root, entry, _fits, expected)
    if not (folder / _TABLE).is_file():
        copy = folder / "1cls" if (folder / "1cls").is_dir() else folder
        return read_categories("VisA", copy, categories, read=read_mvtec, parts=PARTS, layout=LAYOUT)
    check_parts(folder, entry, names, ("Data/Images", "Data/Masks"))
    listing = listed_samples((sample for sample in _rows(folder) if sample.category in names), folder, entry)
    whole = len(names) == len(entry.categories)
    return build_data_set(
        entry, listing, folder, f"Data/Images and Data/Masks, split by {_TABLE}", whole=whole
    )


def _fits(path: Path) -> bool:
    if (path / _TABLE).is_file():
        return True
    copies = (path, path / "1cls")
    names = CATALOGUE["VisA"].categories
    return any((copy / name / "train").is_dir() for copy in copies for name in names)


def _rows(root: Path) -> Iterator[Sample]:
    path = root / _TABLE
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            for number, row in enumerate(csv.DictReader(stream), start=2):
                yield _sample(row, root, f"{path}, row {number}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error


def _sample(row: dict[str, str], root: Path, where: str) -> Sample:
    try:
        category, split, label, image, mask = (row[name] for name in _COLUMNS)
        sample = Sample(root / image, image, _SPLITS[split], _LABELS[label], category)
    except (KeyError, TypeError) as error:
        expected = f"{', '.join(_COLUMNS)}; split train or test, label normal or anomaly"
        raise DataError(
            f"{where}: not understood ({type(error).__name__}: {error}); expected {expected}"
        ) from error
    return replace(sample, mask=root / mask) if mask else sample
