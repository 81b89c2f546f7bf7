"""An image in a plan, and how it becomes a sample again wherever it is scored."""

from __future__ import annotations

import io
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.data.samples import Sample
from twinspect.scale.image_sources import MissingImage, ParquetColumn, TarMember, UriFile
from twinspect.scale.parquet import to_parquet
from twinspect.scale.storage import is_uri
from twinspect.utils.spelling import spell, unspell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twinspect.data.samples import Content


@dataclass(frozen=True)
class WorkItem:
    """One image of a plan.

    Attributes:
        path: the path of its row in the results.
        category: its category; empty if unknown.
        container: the tar or Parquet file it is in; empty for a file of its own.
        offset: in a tar file, where it begins, in bytes; in a Parquet file, the number of its row.
        size: in a tar file, its number of bytes.
        column: the Parquet column that holds it.
        error: why it cannot be read, if listing found that out.
        part: the part that it shows; empty if it does not say so, and in plans of earlier versions.
    """

    path: str
    category: str = ""
    container: str = ""
    offset: int = 0
    size: int = 0
    column: str = ""
    error: str = ""
    part: str = ""


def encode_items(items: Sequence[WorkItem]) -> bytes:
    """Write a part of a plan as a Parquet file."""
    return to_parquet([_convert(asdict(item), spell) for item in items], _schema())


def decode_items(content: bytes) -> list[WorkItem]:
    """Read a part of a plan that :func:`encode_items` wrote."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    return [WorkItem(**_convert(row, unspell)) for row in pq.read_table(io.BytesIO(content)).to_pylist()]


def _convert(row: dict[str, Any], convert: Callable[[str], str]) -> dict[str, Any]:
    """Spell names, or give them back: Parquet has no text for those that are no UTF-8."""
    return {name: convert(value) if isinstance(value, str) else value for name, value in row.items()}


@contextmanager
def open_samples(items: Sequence[WorkItem]) -> Iterator[list[Sample]]:
    """Give samples that fetch their content when they are read; close what they opened at the end."""
    with ExitStack() as stack:
        columns: dict[tuple[str, str], ParquetColumn] = {}
        for item in items:
            key = (item.container, item.column)
            if item.column and key not in columns:
                columns[key] = stack.enter_context(ParquetColumn(*key))
        yield [_sample(item, columns) for item in items]


def _sample(item: WorkItem, columns: dict[tuple[str, str], ParquetColumn]) -> Sample:
    content = _content(item, columns)
    return Sample(Path(item.path), item.path, category=item.category, content=content, group=item.part)


def _content(item: WorkItem, columns: dict[tuple[str, str], ParquetColumn]) -> Content | None:
    if item.error:
        return MissingImage(item.path, item.error)
    if item.column:
        return columns[item.container, item.column].cell(item.path, item.offset)
    if item.container:
        return TarMember(item.path, item.container, item.offset, item.size)
    return UriFile(item.path) if is_uri(item.path) else None


def _schema() -> Any:
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    kinds = {"str": pa.string(), "int": pa.int64()}
    return pa.schema([(field.name, kinds[str(field.type)]) for field in fields(WorkItem)])
