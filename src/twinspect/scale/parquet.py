"""Parquet files whose bytes depend only on their rows."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twinspect.errors import DataError, in_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextmanager
def naming_damage(name: str) -> Iterator[None]:
    """Say of a file of a run that it is damaged, where reading it fails.

    Args:
        name: of the file, in the folder of the run.

    Raises:
        DataError: it is not what a run writes.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    try:
        yield
    except (
        pa.ArrowException,
        OSError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:  # arrow raises OSError, too
        raise DataError(
            f"{name} in --out is damaged ({in_one_line(error)}); remove it and run the same command "
            "again, choose another --out, or --overwrite"
        ) from error


def to_parquet(rows: Sequence[dict[str, Any]], schema: Any) -> bytes:
    """Write rows as one Parquet file of one row group.

    Args:
        rows: dictionaries with the schema's names as keys.
        schema: a ``pyarrow.Schema``.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    import pyarrow.parquet as pq  # noqa: PLC0415

    buffer = io.BytesIO()
    table = pa.Table.from_pylist(list(rows), schema=schema)
    pq.write_table(table, buffer, row_group_size=max(1, len(rows)), compression="zstd")
    return buffer.getvalue()
