"""Score tables that grow row by row and resume where they were cut off: CSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from msgspec import Struct

from twinspect.bundle.schema import RecordError, convert, parse
from twinspect.errors import ConfigError, DataError, in_one_line
from twinspect.inference.score_table import COLUMNS, arrow_schema, from_texts, to_texts
from twinspect.regions.finding import FoundRegion  # noqa: TC001 - msgspec reads it
from twinspect.utils.files import atomic_replacement, companion, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.inference.score_table import Row


class RowRecord(Struct):
    """What a row holds."""

    path: str
    category: str
    score: float | None
    p_value: float | None
    is_anomalous: bool | None
    error: str
    inspectable: bool | None
    notice: str
    regions: list[FoundRegion] | None
    part: str


def _checked(rows: list[Row]) -> list[Row]:
    """Return rows unchanged.

    Raises:
        RecordError: a value is of another type.
    """
    convert(rows, list[RowRecord])
    return rows


class ScoreTable(ABC):
    """A table that is appended to, batch by batch.

    Rows are on the disk as soon as they are known; a row that was only partly written when the process was killed
    is dropped when the table is opened again.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path
        self._size = 0

    def rows(self) -> list[Row]:
        """Read the complete rows that are there, and drop an incomplete last one.

        Raises:
            DataError: the file is not a score table.
        """
        if not self.journal.is_file():
            return []
        content = self.journal.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if len(complete) < len(content):
            with self.journal.open("r+b") as file:
                file.truncate(len(complete))
        self._size = len(complete)
        try:
            return _checked(self.decode(complete.decode("utf-8")))
        except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
            raise self._no_table(error) from error

    def _no_table(self, error: Exception) -> DataError:
        return DataError(
            f"{self.path} is not a score table ({in_one_line(error)}); choose another --out, or --overwrite"
        )

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows and hand them to the operating system.

        Raises:
            DataError: the rows that were written before are no longer there.
        """
        self.check_growth()
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        with self.journal.open("ab") as file:
            is_new = file.tell() == 0
            file.write((self.header() if is_new else "").encode() + self.encode(rows).encode("utf-8"))
            self._size = file.tell()

    def replace(self, rows: Sequence[Row]) -> None:
        """Write all rows anew, in one step.

        Raises:
            DataError: as for :meth:`append`.
        """
        self.check_growth()
        content = (self.header() + self.encode(rows)).encode("utf-8")
        write_atomically(self.journal.resolve(), content)
        self._size = len(content)

    def check_growth(self) -> None:
        """Refuse to go on if what was written before was removed, moved or changed.

        Raises:
            DataError: it was.
        """
        size = self.journal.stat().st_size if self.journal.is_file() else 0
        if self._size and size != self._size:
            what = "was changed" if size else "is gone"
            raise DataError(
                f"{self.path} {what}: another program touched it while rows were added; "
                "move it back and run the same command again, or choose another --out"
            )

    def finish(self) -> None:
        """Write the table in its final form.

        Raises:
            DataError: as for :meth:`append`.
        """
        self.check_growth()

    def clear(self) -> None:
        """Remove what is there."""
        self._size = 0
        self.journal.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def header(self) -> str:
        """Text before the first row."""
        return ""

    @abstractmethod
    def encode(self, rows: Sequence[Row]) -> str:
        """Write rows as lines."""

    @abstractmethod
    def decode(self, text: str) -> list[Row]:
        """Read lines as rows."""


class CsvTable(ScoreTable):
    """Comma-separated, with a header; numbers keep every digit."""

    def header(self) -> str:
        """Name the columns."""
        return ",".join(COLUMNS) + "\n"

    def encode(self, rows: Sequence[Row]) -> str:
        """Write rows; ``None`` is an empty cell."""
        buffer = io.StringIO()
        csv.DictWriter(buffer, COLUMNS, lineterminator="\n").writerows(map(to_texts, rows))
        return buffer.getvalue()

    def decode(self, text: str) -> list[Row]:
        """Read rows back."""
        reader = csv.DictReader(io.StringIO(text))
        if text and tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"its header is {','.join(reader.fieldnames or ())}")
        return [from_texts(row) for row in reader]


class JsonLinesTable(ScoreTable):
    """One JSON object a line."""

    def encode(self, rows: Sequence[Row]) -> str:
        """Write rows as objects."""
        return "".join(json.dumps({name: row[name] for name in COLUMNS}) + "\n" for row in rows)

    def decode(self, text: str) -> list[Row]:
        """Read rows back."""
        rows = [json.loads(line) for line in text.splitlines()]
        return [{name: row[name] for name in COLUMNS} for row in rows]


class ParquetTable(JsonLinesTable):
    """Parquet: a file that cannot grow, so rows go to JSON lines beside it and are converted at the end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.journal = companion(path, ".rows.jsonl")

    def rows(self) -> list[Row]:
        """Read an unfinished journal, or else the finished table."""
        if self.journal.is_file() or not self.path.is_file():
            return super().rows()
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = _checked(pq.read_table(self.path, columns=list(COLUMNS)).to_pylist())
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._no_table(error) from error
        self.append(rows)
        return rows

    def finish(self) -> None:
        """Write the Parquet file and drop the journal."""
        super().finish()
        import pyarrow as pa
        import pyarrow.parquet as pq

        with atomic_replacement(self.path) as temporary:
            pq.write_table(pa.Table.from_pylist(self.rows(), schema=arrow_schema()), temporary)
        self.journal.unlink(missing_ok=True)


TABLES: dict[str, type[ScoreTable]] = {".csv": CsvTable, ".jsonl": JsonLinesTable, ".parquet": ParquetTable}


def open_table(path: Path) -> ScoreTable:
    """Choose the format of a table by the file's suffix.

    Raises:
        ConfigError: an unknown suffix.
    """
    if path.suffix.lower() not in TABLES:
        raise ConfigError(
            f"--out {path}: a score table ends in {', '.join(TABLES)}; got {path.suffix or 'no suffix'!r}"
        )
    return TABLES[path.suffix.lower()](path)


class OwnerRecord(Struct):
    """The file of a :class:`TableOwner`."""

    key: str
    regions: str = ""


class TableOwner:
    """A small file beside a table that records which model its rows come from.

    Args:
        table: the table.
        key: identifies the model and its calibration.
        regions: identifies what was asked of regions; empty for the usual.
    """

    def __init__(self, table: Path, key: str, regions: str = "") -> None:
        self.path = companion(table, ".twinspect.json")
        self._table, self._key, self._regions = table, key, regions

    def claim(self) -> None:
        """Record that the rows come from this model, or refuse if they come from another.

        Raises:
            DataError: the table holds other scores.
        """
        if self.path.is_file():
            found = self._read()
            if found.key != self._key:
                raise DataError(
                    f"{self._table} holds scores of another model, calibration or runtime; choose another --out, "
                    "or --overwrite"
                )
            if found.regions != self._regions:
                raise DataError(
                    f"{self._table} was begun with another --min-area or --mm-per-px; repeat these, choose another "
                    "--out, or --overwrite"
                )
        elif self._table.exists():
            raise DataError(
                f"{self._table} exists and was not started by this command; choose another --out, or --overwrite"
            )
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            regions = {"regions": self._regions} if self._regions else {}
            write_atomically(self.path, json.dumps({"key": self._key, **regions}).encode())

    def read_key(self) -> str:
        """Read which model the rows come from.

        Raises:
            DataError: the file is damaged.
        """
        return self._read().key

    def _read(self) -> OwnerRecord:
        try:
            return parse(self.path.read_bytes(), OwnerRecord)
        except RecordError as error:
            raise DataError(
                f"{self.path} says which model {self._table} is of, and is damaged ({error}); "
                "choose another --out, or --overwrite"
            ) from error
