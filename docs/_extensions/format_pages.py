"""Pages of what twinspect writes: score tables, ``metrics.json``, the model folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from md import code, page, sentence, table, text
from schema_tables import objects
from twinspect.bundle import folder, schema
from twinspect.inference.score_table import SCORE_COLUMNS, arrow_schema
from twinspect.metrics.definitions import COST_TABLE, FURTHER_DEFINITIONS, METRIC_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

_RECORDS = (
    schema.FolderRecord,
    schema.NetworksRecord,
    schema.JoinedRecord,
    schema.ExportRecord,
    schema.LearntRecord,
)


def pages() -> dict[str, str]:
    """Write them."""
    return {"score_table": _score_table(), "metrics_file": _metrics(), "model_folder": _model_folder()}


def _score_table() -> str:
    types = arrow_schema()
    rows = [
        (code(column.name), _arrow(types.field(column.name).type), text(column.meaning))
        for column in SCORE_COLUMNS
    ]
    regions = types.field("regions").type.value_type
    fields = [(code(each.name), _arrow(each.type)) for each in regions]
    return page(
        "Score tables",
        "The columns of every table of scores (`.csv`, `.jsonl`, `.parquet`), in their order. "
        "A later version adds columns behind them.",
        table(("column", "type in Parquet", "meaning"), rows),
        "In CSV a missing value is an empty cell, truth values are `true` and `false`, numbers have every digit, and "
        "`regions` are JSON.",
        "## Regions\n",
        "What each region of the column `regions` has: [regions](../concepts/regions.md).",
        table(("key", "type in Parquet"), fields),
    )


def _arrow(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_arrow(kind.value_type)}"
    return "struct" if pa.types.is_struct(kind) else code(kind)


def _metrics() -> str:
    rows = [
        (code(metric.key), text(metric.title), metric.needs, text(metric.definition))
        for metric in METRIC_TABLE
    ]
    rows_of_table = {metric.key for metric in METRIC_TABLE}
    further = [
        (code(key), text(words)) for key, words in FURTHER_DEFINITIONS.items() if key not in rows_of_table
    ]
    costs = [(code(cost.key), text(cost.title), text(cost.definition)) for cost in COST_TABLE]
    return page(
        "Metrics",
        "Keys of `metrics.json`, for each category and for `mean` and `pooled`. "
        "A metric without what it needs is left out.",
        "## By key\n",
        *_described(rows),
        "## Further figures\n",
        table(("key", "definition"), further),
        "## What runs take\n",
        "Keys of `twinspect benchmark`'s tables beside the metrics.",
        table(("key", "title", "definition"), costs),
    )


def _described(rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
    return [f"### {title}\n\n{key}, needs {needs}. {definition}" for key, title, needs, definition in rows]


def _model_folder() -> str:
    _, components = msgspec.json.schema_components(_RECORDS)
    written = sentence(text((folder.__doc__ or "").partition("\n\n")[0]))
    return page(
        "Model folder",
        written,
        f"`{folder.RECORD}` has the keys of [FolderRecord](#folderrecord) and those of "
        "[NetworksRecord](#networksrecord), or, of joined models, of [JoinedRecord](#joinedrecord); "
        "`exports/NAME/export.json` those of [ExportRecord](#exportrecord), "
        f"`{folder.LEARNT}` those of [LearntRecord](#learntrecord).",
        "## Records\n",
        *objects(components),
    )
