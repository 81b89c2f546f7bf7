"""Rows of text out of a CSV or Parquet file, each with its number."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from twinspect.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path


def read_rows(
    path: Path, known: Collection[str] | None, *, needed: str
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Give each row that is not blank with its number, the header being row 1.

    A CSV file is UTF-8 with a header; its values are parted by commas, semicolons or tabs. Names of columns are read
    in lower case.

    Args:
        path: read as Parquet if its name says so, else as CSV.
        known: the columns that are wanted; others are ignored. ``None`` for all.
        needed: the column that must be there.

    Raises:
        DataError: the file cannot be read, or its columns are not what they should be.
    """
    reader = _parquet_rows if path.suffix.lower() == ".parquet" else _csv_rows
    return reader(path, known, needed)


def _csv_rows(
    path: Path, known: Collection[str] | None, needed: str
) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        # Excel writes a byte order mark, and semicolons where the comma is the decimal point.
        with path.open(newline="", encoding="utf-8-sig") as stream:
            head = stream.readline()
            stream.seek(0)
            table = csv.reader(stream, delimiter=max(",;\t", key=head.count), strict=True)
            columns = _checked_columns(next(table, []), path, known, needed)
            for number, values in enumerate(table, start=2):
                if any(values):
                    row = _checked_row(columns, values, f"{path}, row {number}")
                    yield number, _wanted(row, known)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error


def _checked_row(columns: list[str], values: list[str], where: str) -> Mapping[str, str]:
    if len(values) > len(columns):
        counts = f"{len(values)} values under {len(columns)} columns"
        raise DataError(f"{where}: {counts}; put a value that holds the separator into double quotes")
    padded = values + [""] * (len(columns) - len(values))
    return {name: value.strip() for name, value in zip(columns, padded, strict=True)}


def _parquet_rows(
    path: Path, known: Collection[str] | None, needed: str
) -> Iterator[tuple[int, Mapping[str, str]]]:
    # Imported here because it is slow to import and few tables are Parquet files.
    import pyarrow.parquet as pq  # noqa: PLC0415
    from pyarrow import ArrowException  # noqa: PLC0415

    try:
        with path.open("rb") as stream:
            file = pq.ParquetFile(stream)
            names = file.schema_arrow.names
            columns = dict(zip(names, _checked_columns(names, path, known, needed), strict=True))
            wanted = [name for name in names if known is None or columns[name] in known]
            table = file.read(columns=wanted).to_pylist()
    except (OSError, ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error
    for number, row in enumerate(table, start=2):
        yield number, {columns[name]: as_text(value) for name, value in row.items()}


def _checked_columns(names: list[str], path: Path, known: Collection[str] | None, needed: str) -> list[str]:
    columns = [name.strip().lower() for name in names]
    if needed not in columns:
        known_too = f"; known columns are {', '.join(known)}" if known else ""
        raise DataError(f"{path}: no column {needed!r} among {columns}{known_too}")
    twice = [name for name in known or columns if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one")
    return columns


def _wanted(row: Mapping[str, str], known: Collection[str] | None) -> Mapping[str, str]:
    return {name: value for name, value in row.items() if known is None or name in known}


def as_text(value: Any) -> str:
    """Write a value as CSV would; a missing one is empty, and 0.0 was an integer once."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
