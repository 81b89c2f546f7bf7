"""The row of a score table: its columns, and how a result becomes one, whatever file it goes into."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.inference.results import ImageScore

COLUMNS = ("path", "category", "score", "p_value", "is_anomalous", "error")
Row = dict[str, Any]


def to_row(result: ImageScore) -> Row:
    """Turn a result into a row; what an unreadable image does not have is ``None``, never a false "good"."""
    failed = bool(result.error)
    return {
        "path": result.sample.address,
        "category": result.sample.category,
        "score": None if failed else result.score,
        "p_value": None if failed or math.isnan(result.p_value) else result.p_value,
        "is_anomalous": None if failed else result.is_anomalous,
        "error": " ".join(result.error.split()),
    }


def arrow_schema(columns: Sequence[str] = COLUMNS) -> Any:
    """Give the types of columns in Parquet: a ``pyarrow.Schema``."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and few tables are Parquet files

    types = {"score": pa.float64(), "p_value": pa.float64(), "is_anomalous": pa.bool_()}
    return pa.schema([(name, types.get(name, pa.string())) for name in columns])
