"""Rows of text out of a CSV or Parquet table, each with its number."""

from __future__ import annotations

import csv
import io
import itertools
from typing import TYPE_CHECKING, Any, BinaryIO

from twinspect.errors import DataError, in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    Rows = Iterator[tuple[int, Mapping[str, str]]]


def read_rows(name: str, opened: Callable[[], BinaryIO], known: Collection[str] = (), *, needed: str) -> Rows:
    """Read a table's rows from first to last, with memory that does not grow with their number.

    A CSV file is UTF-8 with a header; its values are separated by commas, semicolons or tabs. Column names are read
    in lower case.

    Args:
        name: the table's path or address; its ending says whether it is CSV or Parquet.
        opened: opens it.
        known: the columns to read; others are ignored. Empty for all.
        needed: the column that must be there.

    Yields:
        The row's number, the header being row 1, and what it says under those columns; blank rows are left out.

    Raises:
        DataError: the table cannot be read, or has other columns.
    """
    return (_parquet_rows if name.lower().endswith(".parquet") else _csv_rows)(name, opened, known, needed)


def as_text(value: Any) -> str:
    """Write a value as CSV would; a missing one is empty, and 0.0 was an integer once."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _csv_rows(path: str, opened: Callable[[], BinaryIO], known: Collection[str], needed: str) -> Rows:
    try:
        # Excel writes a byte order mark, and semicolons where the comma is the decimal point.
        with opened() as raw, io.TextIOWrapper(raw, newline="", encoding="utf-8-sig") as stream:
            head = stream.readline()
            stream.seek(0)
            table = csv.reader(stream, delimiter=max(",;\t", key=head.count), strict=True)
            columns = _checked_columns(next(table, []), path, known, needed)
            for number, values in enumerate(table, start=2):
                if any(values):
                    row = _checked_row(columns, values, f"{path}, row {number}")
                    yield number, {name: text for name, text in row.items() if name in (known or columns)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8: {in_one_line(error)}") from error


def _checked_row(columns: list[str], values: list[str], where: str) -> dict[str, str]:
    if len(values) > len(columns):
        counts = f"{len(values)} values under {len(columns)} columns"
        raise DataError(f"{where}: {counts}; put a value that holds the separator into double quotes")
    padded = values + [""] * (len(columns) - len(values))
    return {name: value.strip() for name, value in zip(columns, padded, strict=True)}


def _parquet_rows(path: str, opened: Callable[[], BinaryIO], known: Collection[str], needed: str) -> Rows:
    # Imported here because it is slow to import and few tables are Parquet files.
    import pyarrow.parquet as pq  # noqa: PLC0415
    from pyarrow import ArrowException  # noqa: PLC0415

    numbers = itertools.count(2)
    try:
        with opened() as stream:
            file = pq.ParquetFile(stream)
            names = file.schema_arrow.names
            columns = dict(zip(names, _checked_columns(names, path, known, needed), strict=True))
            selected = [name for name in names if columns[name] in (known or columns.values())]
            for batch in file.iter_batches(columns=selected):
                for row in batch.to_pylist():
                    yield next(numbers), {columns[name]: as_text(value) for name, value in row.items()}
    except DataError:
        raise
    except (OSError, ArrowException, ValueError, OverflowError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {in_one_line(error)}") from error


def _checked_columns(names: list[str], path: str, known: Collection[str], needed: str) -> list[str]:
    columns = [name.strip().lower() for name in names]
    if needed not in columns:
        allowed = f"; known columns are {', '.join(known)}" if known else ""
        raise DataError(f"{path}: no column {needed!r} among {columns}{allowed}")
    twice = [name for name in known or columns if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one")
    return columns
