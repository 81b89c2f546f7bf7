"""The record of a finished run: the same bytes whatever engine ran it, and however often it was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect._version import __version__
from twinspect.scale.shard_plan import FORMAT, MANIFEST, ROWS, part_name, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinspect.scale.run_folder import RunFolder
    from twinspect.scale.shard import ShardSummary
    from twinspect.scale.shard_plan import ShardPlan


def write_manifest(folder: RunFolder, plan: ShardPlan, summaries: Iterable[ShardSummary]) -> dict[str, Any]:
    """Write and return the record of all parts."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    parts = sorted(summaries, key=lambda part: part.shard)
    record = {
        "format": FORMAT,
        "twinspect": __version__,
        "pyarrow": pa.__version__,  # decides the bytes of a Parquet file
        **plan.key,
        "images": plan.images,
        "shards": plan.shards,
        "rows": sum(part.rows for part in parts),
        "anomalous": sum(part.anomalous for part in parts),
        "not_inspectable": sum(part.not_inspectable for part in parts),
        "unreadable": sum(part.unreadable for part in parts),
        "left_out": plan.left_out,
        "refused": list(plan.refused),
        "parts": [
            {
                "name": f"{ROWS}/{part_name(part.shard)}",
                "rows": part.rows,
                "bytes": part.bytes,
                "sha256": part.sha256,
            }
            for part in parts
        ],
    }
    folder.write(MANIFEST, to_json(record))
    return record
