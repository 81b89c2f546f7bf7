"""One shard of work: from its part of the plan to its rows, the same in whatever process."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.bundle.checksummed_json import sha256
from twinspect.data.samples import DataSet
from twinspect.inference.score_table import arrow_schema, to_row
from twinspect.regions.finding import RegionRules
from twinspect.scale.decoder_crashes import without_crashes
from twinspect.scale.parquet import naming_damage, to_parquet
from twinspect.scale.shard_attempts import ISOLATED, Attempt
from twinspect.scale.shard_plan import ERRORS, ROWS, part_name, read_part
from twinspect.scale.work_items import open_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.score_table import Row
    from twinspect.scale.run_folder import RunFolder


_OF_PARTS: Final = ["path", "category", "score", "p_value", "is_anomalous", "error", "inspectable", "part"]
"""The columns that parts are decided by."""


@dataclass(frozen=True)
class ShardSummary:
    """Counts of a finished shard.

    Attributes:
        shard: its number.
        rows: number of images.
        anomalous: how many of them are anomalous.
        not_inspectable: how many could not be inspected.
        unreadable: how many have an error.
        bytes: size of its file of rows.
        sha256: digest of its file of rows.
    """

    shard: int
    rows: int
    anomalous: int
    not_inspectable: int
    unreadable: int
    bytes: int
    sha256: str


def score_shard(
    detector: BaseDetector,
    folder: RunFolder,
    shard: int,
    *,
    category: str | None = None,
    tick: Callable[[], None] = lambda: None,
) -> ShardSummary:
    """Score the images of a shard and write its rows, unless they are there.

    The rows are written last: where they exist, the shard is finished.

    Args:
        detector: scores the images.
        folder: folder of the run.
        shard: number of the shard.
        category: the category of all images; ``None`` for the plan's.
        tick: called after each image.

    Raises:
        OSError: the rows cannot be written.
        DataError: too many processes died while scoring this shard.
    """
    name = part_name(shard)
    if folder.has(f"{ROWS}/{name}"):
        return read_summary(folder, shard)
    with Attempt(folder, name) as attempt:
        rows = _score(detector, folder, shard, category, tick, isolated=attempt.number >= ISOLATED)
        _write_errors(folder, f"{ERRORS}/{name}", [row for row in rows if row["error"]])
        content = to_parquet(rows, arrow_schema())
        folder.write(f"{ROWS}/{name}", content)
    return _summarize(shard, rows, content)


def rows_of_parts(folder: RunFolder) -> Iterator[Row]:
    """Read what finished shards say of images that show a part, one shard after the other.

    Raises:
        DataError: one of their files is damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    for name in sorted(folder.names(ROWS)):
        with naming_damage(f"{ROWS}/{name}"):
            file = pq.ParquetFile(io.BytesIO(folder.read(f"{ROWS}/{name}")))
            known = file.schema_arrow.names
            rows = file.read(columns=_OF_PARTS).to_pylist() if "part" in known else []
        yield from (row for row in rows if row["part"])


def read_summary(folder: RunFolder, shard: int) -> ShardSummary:
    """Count the rows of a finished shard.

    Raises:
        DataError: its file is damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    name = f"{ROWS}/{part_name(shard)}"
    content = folder.read(name)
    with naming_damage(name):
        file = pq.ParquetFile(io.BytesIO(content))
        # A shard of an earlier version has no column "inspectable".
        names = [
            column for column in ("is_anomalous", "error", "inspectable") if column in file.schema_arrow.names
        ]
        return _summarize(shard, file.read(columns=names).to_pylist(), content)


def _score(
    detector: BaseDetector,
    folder: RunFolder,
    shard: int,
    category: str | None,
    tick: Callable[[], None],
    *,
    isolated: bool,
) -> list[Row]:
    rows = []
    with open_samples(read_part(folder, shard)) as planned:
        samples = without_crashes(planned) if isolated else planned
        data = DataSet(part_name(shard), None, tuple(samples))
        for result in detector.stream(data, maps=False, category=category, regions=RegionRules()):
            rows.append(to_row(result))
            tick()
    return rows


def _write_errors(folder: RunFolder, name: str, failed: list[Row]) -> None:
    """Write the table of unreadable images; if there are none, remove one that an earlier attempt left."""
    if failed:
        rows = [{"path": row["path"], "error": row["error"]} for row in failed]
        folder.write(name, to_parquet(rows, arrow_schema(("path", "error"))))
    elif folder.has(name):
        folder.remove(name)


def _summarize(shard: int, rows: list[Row], content: bytes) -> ShardSummary:
    anomalous = sum(row["is_anomalous"] is True for row in rows)
    unreadable = sum(bool(row["error"]) for row in rows)
    not_inspectable = sum(row.get("inspectable") is False for row in rows)
    return ShardSummary(
        shard, len(rows), anomalous, not_inspectable, unreadable, len(content), sha256(content)
    )
