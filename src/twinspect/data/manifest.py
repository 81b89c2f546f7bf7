"""Manifests: a CSV or Parquet table that says what each image is for."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from twinspect.data.listing import GOOD_NAMES, Found, path_key
from twinspect.data.samples import GOOD, Sample
from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from twinspect.data.samples import DataSet, Split

MANIFEST_SUFFIXES: Final = frozenset({".csv", ".parquet"})
COLUMNS: Final = ("path", "split", "label", "mask", "category")

_SPLITS: Final[dict[str, Split]] = {
    "train": "train",
    "calibration": "calibration",
    "validation": "calibration",
    "test": "test",
}
_GOOD: Final = GOOD_NAMES | {"", "0"}


def read_manifest(path: Path) -> DataSet:
    """Read a manifest.

    Columns, of which only ``path`` must be there; others are ignored:

    * ``path``, ``mask``: files, relative to the manifest's folder or absolute; either slash will do.
    * ``split``: train, calibration (or validation) or test; empty: train if the label is good, else test.
    * ``label``: good, or the kind of defect; empty, ``normal``, ``ok`` and ``0`` mean good too, in any case.
    * ``category``: the product shown.

    A CSV file is UTF-8 with a header; its values are parted by commas, semicolons or tabs. An image that
    does not exist stays in, so that it shows as one failed row, unless none exists.

    Raises:
        DataError: the table cannot be read or contradicts itself; names the row, the header being row 1.
    """
    found = Found()
    first_rows: dict[str, int] = {}
    for number, row in manifest_rows(str(path), lambda: path.open("rb")):
        where = f"{path}, row {number}"
        sample = _sample(row, path.parent, where)
        earlier = first_rows.setdefault(path_key(sample.path), number)
        if earlier != number:
            raise DataError(
                f"{where}: {row['path']!r} was listed in row {earlier} already; list each image once"
            )
        found.samples.append(sample)
    _check_some_exist(found, path)
    return found.data_set(path.stem, path, f"{path.suffix[1:].lower()} manifest")


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
    return (_parquet_rows if name.lower().endswith(".parquet") else _csv_rows)(name, opened)


def _check_some_exist(found: Found, path: Path) -> None:
    if not found.samples:
        raise DataError(f"{path}: no rows below the header; expected one row an image, with a column 'path'")
    if not any(sample.path.exists() for sample in found.samples):
        lost = f"none of its {len(found.samples)} images exists, the first being {found.samples[0].path}"
        raise DataError(f"{path}: {lost}; relative paths start at the manifest's own folder")


def _csv_rows(path: str, opened: Callable[[], BinaryIO]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Give each row that is not blank with its number."""
    try:
        # Excel writes a byte order mark, and semicolons where the comma is the decimal point.
        with opened() as raw, io.TextIOWrapper(raw, newline="", encoding="utf-8-sig") as stream:
            head = stream.readline()
            stream.seek(0)
            table = csv.reader(stream, delimiter=max(",;\t", key=head.count), strict=True)
            columns = _checked_columns(next(table, []), path)
            for number, values in enumerate(table, start=2):
                if any(values):
                    yield number, _checked_row(columns, values, f"{path}, row {number}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error


def _checked_row(columns: list[str], values: list[str], where: str) -> Mapping[str, str]:
    if len(values) > len(columns):
        counts = f"{len(values)} values under {len(columns)} columns"
        raise DataError(f"{where}: {counts}; put a value that holds the separator into double quotes")
    padded = values + [""] * (len(columns) - len(values))
    return {name: value.strip() for name, value in zip(columns, padded, strict=True) if name in COLUMNS}


def _parquet_rows(path: str, opened: Callable[[], BinaryIO]) -> Iterator[tuple[int, Mapping[str, str]]]:
    # Imported here because it is slow to import and few manifests are Parquet files.
    import pyarrow.parquet as pq  # noqa: PLC0415
    from pyarrow import ArrowException  # noqa: PLC0415

    try:
        with opened() as stream:
            file = pq.ParquetFile(stream)
            names = file.schema_arrow.names
            columns = dict(zip(names, _checked_columns(names, path), strict=True))
            wanted = [name for name in names if columns[name] in COLUMNS]
            rows = (row for batch in file.iter_batches(columns=wanted) for row in batch.to_pylist())
            for number, row in enumerate(rows, start=2):
                yield number, {columns[name]: _text(value) for name, value in row.items()}
    except (OSError, ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error


def _checked_columns(names: list[str], path: str) -> list[str]:
    columns = [name.strip().lower() for name in names]
    if "path" not in columns:
        raise DataError(f"{path}: no column 'path' among {columns}; known columns are {', '.join(COLUMNS)}")
    twice = [name for name in COLUMNS if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one")
    return columns


def _text(value: Any) -> str:
    """Write a Parquet value as CSV would; a missing one is empty, and 0.0 was an integer once."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _sample(row: Mapping[str, str], folder: Path, where: str) -> Sample:
    if not row["path"]:
        raise DataError(f"{where}: the path is empty; expected the image file")
    path = folder / row["path"].replace("\\", "/")
    label = GOOD if row.get("label", "").casefold() in _GOOD else row["label"]
    return Sample(
        path=path,
        name=(path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix(),
        split=_split(row.get("split", ""), label, where),
        label=label,
        category=row.get("category", ""),
        mask=_mask(row.get("mask", ""), folder, where),
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


def _mask(text: str, folder: Path, where: str) -> Path | None:
    if not text:
        return None
    mask = folder / text.replace("\\", "/")
    if not mask.is_file():
        raise DataError(f"{where}: the mask {mask} does not exist; leave the column empty if there is none")
    return mask
