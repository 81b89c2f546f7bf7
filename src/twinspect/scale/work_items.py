"""What a plan says of an image, and how it becomes a sample again wherever it is scored."""

from __future__ import annotations

import io
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.data.samples import Sample
from twinspect.scale.image_sources import Missing, ParquetColumn, Piece, Whole
from twinspect.scale.parquet import to_parquet
from twinspect.scale.storage import is_uri

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.data.samples import Content


@dataclass(frozen=True)
class WorkItem:
    """One image of a plan.

    Attributes:
        path: what its row is called.
        category: what it shows; empty where nothing says so.
        container: the tar or Parquet file it is in; empty for a file of its own.
        offset: where it begins in a tar file, in bytes; in a Parquet file the number of its row.
        size: its bytes in a tar file.
        column: the Parquet column that holds it.
        error: why it cannot be had, where that was seen when it was listed.
    """

    path: str
    category: str = ""
    container: str = ""
    offset: int = 0
    size: int = 0
    column: str = ""
    error: str = ""


def encode(entries: Sequence[WorkItem]) -> bytes:
    """Write a part of a plan: a Parquet file."""
    return to_parquet([asdict(entry) for entry in entries], _schema())


def decode(content: bytes) -> list[WorkItem]:
    """Read a part of a plan."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    return [WorkItem(**row) for row in pq.read_table(io.BytesIO(content)).to_pylist()]


@contextmanager
def opened(entries: Sequence[WorkItem]) -> Iterator[list[Sample]]:
    """Give samples that fetch their content when they are read, and close what they opened in the end."""
    with ExitStack() as stack:
        columns: dict[tuple[str, str], ParquetColumn] = {}
        for entry in entries:
            key = (entry.container, entry.column)
            if entry.column and key not in columns:
                columns[key] = stack.enter_context(ParquetColumn(*key))
        yield [_sample(entry, columns) for entry in entries]


def _sample(entry: WorkItem, columns: dict[tuple[str, str], ParquetColumn]) -> Sample:
    content = _content(entry, columns)
    return Sample(Path(entry.path), entry.path, category=entry.category, content=content)


def _content(entry: WorkItem, columns: dict[tuple[str, str], ParquetColumn]) -> Content | None:
    if entry.error:
        return Missing(entry.path, entry.error)
    if entry.column:
        return columns[entry.container, entry.column].cell(entry.path, entry.offset)
    if entry.container:
        return Piece(entry.path, entry.container, entry.offset, entry.size)
    return Whole(entry.path) if is_uri(entry.path) else None


def _schema() -> Any:
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    kinds = {"str": pa.string(), "int": pa.int64()}
    return pa.schema([(field.name, kinds[str(field.type)]) for field in fields(WorkItem)])
