"""Parquet files whose bytes depend only on their rows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


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
