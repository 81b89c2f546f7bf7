"""Manifests: a CSV or Parquet table that says what each image is for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Final

from twinspect.data.folder_names import is_good_name
from twinspect.data.listing import Listing, path_key
from twinspect.data.samples import GOOD, Sample
from twinspect.data.table_rows import read_rows
from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from twinspect.data.samples import DataSet, Split

MANIFEST_SUFFIXES: Final = frozenset({".csv", ".parquet"})
COLUMNS: Final = ("path", "split", "label", "mask", "category", "roi", "part")

_SPLITS: Final[dict[str, Split]] = {
    "train": "train",
    "calibration": "calibration",
    "validation": "calibration",
    "test": "test",
}
_GOOD_LABELS: Final = ("", "0")
"""Labels that mean good besides the names of folders that do."""


def read_manifest(path: Path) -> DataSet:
    """Read a manifest.

    Columns, of which only ``path`` must be there; others are ignored:

    * ``path``, ``mask``: files, relative to the manifest's folder or absolute; either slash will do.
    * ``split``: train, calibration (or validation) or test; empty: train if the label is good, else test.
    * ``label``: good, or the kind of defect; empty, ``normal``, ``ok`` and ``0`` mean good too, in any case.
    * ``category``: the product shown.
    * ``roi``: the file that says which part of the image is looked at: a mask or polygons, named as ``mask`` is.
    * ``part``: which part the image shows, where several images show one; these count as one, and stay together.

    A CSV file is UTF-8 with a header; its values are separated by commas, semicolons or tabs. An image that
    does not exist stays in, so that it shows as one failed row, unless none exists.

    Raises:
        DataError: the table cannot be read or contradicts itself; names the row, the header being row 1.
    """
    listing = Listing()
    first_rows: dict[str, int] = {}
    parts: dict[str, tuple[int, Sample]] = {}
    for number, row in manifest_rows(str(path), lambda: path.open("rb")):
        where = f"{path}, row {number}"
        sample = _sample(row, path.parent, where)
        earlier = first_rows.setdefault(path_key(sample.path), number)
        if earlier != number:
            raise DataError(
                f"{where}: {row['path']!r} was listed in row {earlier} already; list each image once"
            )
        if sample.group:
            _check_same_part(sample, number, *parts.setdefault(sample.group, (number, sample)), path)
        listing.samples.append(sample)
    _check_some_exist(listing, path)
    return listing.to_data_set(path.stem, path, f"{path.suffix[1:].lower()} manifest")


def manifest_rows(name: str, opened: Callable[[], BinaryIO]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Read a manifest's rows from first to last, with memory that does not grow with their number.

    Args:
        name: the manifest's path or address; its ending says whether it is CSV or Parquet.
        opened: opens it.

    Yields:
        The row's number, the header being row 1, and what it says under the known columns.

    Raises:
        DataError: the table cannot be read.
    """
    return read_rows(name, opened, COLUMNS, needed="path")


def _check_same_part(sample: Sample, row: int, first_row: int, first: Sample, manifest: Path) -> None:
    """Refuse a part in two splits, which would be learnt from and judged, or with two products' scores."""
    for what, one, other in (
        ("split", first.split, sample.split),
        ("category", first.category, sample.category),
    ):
        if one != other:
            raise DataError(
                f"{manifest}, row {row}: part {sample.group!r} has the {what} {other!r}, in row {first_row} {one!r}; "
                f"all images of a part must have the same: correct the column {what}, or name the parts differently"
            )


def _check_some_exist(listing: Listing, path: Path) -> None:
    if not listing.samples:
        raise DataError(f"{path}: no rows below the header; expected one row an image, with a column 'path'")
    # Of os.path, since pathlib raises an error for names that are too long.
    if not any(os.path.exists(sample.path) for sample in listing.samples):  # noqa: PTH110
        missing = (
            f"none of its {len(listing.samples)} images exists, the first being {listing.samples[0].path}"
        )
        raise DataError(f"{path}: {missing}; relative paths start at the manifest's own folder")


def _sample(row: Mapping[str, str], folder: Path, where: str) -> Sample:
    if not row["path"]:
        raise DataError(f"{where}: the path is empty; expected the image file")
    path = folder / row["path"].replace("\\", "/")
    label = row.get("label", "")
    label = GOOD if label in _GOOD_LABELS or is_good_name(label) else label
    return Sample(
        path=path,
        name=(path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix(),
        split=_split(row.get("split", ""), label, where),
        label=label,
        category=row.get("category", ""),
        mask=_beside(
            row.get("mask", ""), f"{where}: the mask", folder, "leave the column empty if there is none"
        ),
        roi=_beside(row.get("roi", ""), f"{where}: the region of interest", folder, "correct the column roi"),
        group=row.get("part", ""),
    )


def _split(text: str, label: str, where: str) -> Split:
    if not text:
        return "train" if label == GOOD else "test"
    split = _SPLITS.get(text.casefold())
    if split is None:
        raise DataError(f"{where}: the split is {text!r}; allowed are {', '.join(_SPLITS)}, or nothing")
    if split != "test" and label != GOOD:
        raise DataError(f"{where}: the label is {label!r}, but only good images may be in {split}; use test")
    return split


def _beside(text: str, what: str, folder: Path, remedy: str) -> Path | None:
    """Find a file that belongs to an image."""
    if not text:
        return None
    path = folder / text.replace("\\", "/")
    if not os.path.isfile(path):  # noqa: PTH113 - as above
        raise DataError(f"{what} {path} does not exist; {remedy}")
    return path
