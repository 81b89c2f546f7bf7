"""One shard of work: from its part of the plan to its rows, the same whatever process does it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.bundle.checksummed_json import sha256
from twinspect.data.samples import DataSet
from twinspect.inference.score_table import arrow_schema, to_row
from twinspect.scale.decoder_crashes import without_crashes
from twinspect.scale.parquet import to_parquet
from twinspect.scale.shard_attempts import ISOLATED, Attempt
from twinspect.scale.shard_plan import ERRORS, ROWS, part_name, read_part
from twinspect.scale.work_items import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinspect.inference.base_detector import BaseDetector
    from twinspect.inference.score_table import Row
    from twinspect.scale.run_folder import Folder


@dataclass(frozen=True)
class Summary:
    """What is known of a shard that is done.

    Attributes:
        shard: its number.
        rows: how many images it has.
        anomalous: how many of them are.
        unreadable: how many have an error.
        bytes: size of its file of rows.
        sha256: of the same.
    """

    shard: int
    rows: int
    anomalous: int
    unreadable: int
    bytes: int
    sha256: str


def score_shard(
    judge: BaseDetector,
    folder: Folder,
    shard: int,
    *,
    category: str | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Summary:
    """Score the images of a shard and write its rows, unless they are there.

    The rows come last: where they are, the shard is done.

    Args:
        judge: scores.
        folder: of the run.
        shard: which one.
        category: what all images show; ``None`` for what the plan says.
        tick: called after each image.

    Raises:
        OSError: the rows cannot be written.
        DataError: this shard has killed too many processes.
    """
    name = part_name(shard)
    if folder.has(f"{ROWS}/{name}"):
        return summary_of(folder, shard)
    with Attempt(folder, name) as attempt:
        rows = _scored(judge, folder, shard, category, tick, isolated=attempt.number >= ISOLATED)
        _write_errors(folder, f"{ERRORS}/{name}", [row for row in rows if row["error"]])
        content = to_parquet(rows, arrow_schema())
        folder.write(f"{ROWS}/{name}", content)
    return _summary(shard, rows, content)


def summary_of(folder: Folder, shard: int) -> Summary:
    """Read what is known of a shard that is done."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    content = folder.read(f"{ROWS}/{part_name(shard)}")
    rows = pq.read_table(io.BytesIO(content), columns=["is_anomalous", "error"]).to_pylist()
    return _summary(shard, rows, content)


def _scored(
    judge: BaseDetector,
    folder: Folder,
    shard: int,
    category: str | None,
    tick: Callable[[], None],
    *,
    isolated: bool,
) -> list[Row]:
    rows = []
    with opened(read_part(folder, shard)) as listed:
        samples = without_crashes(listed, judge.bits) if isolated else listed
        data = DataSet(part_name(shard), None, tuple(samples))
        for result in judge.stream(data, maps=False, category=category):
            rows.append(to_row(result))
            tick()
    return rows


def _write_errors(folder: Folder, name: str, failed: list[Row]) -> None:
    """Write the table of what could not be read; none where all could, whatever an attempt before this one met."""
    if failed:
        both = [{"path": row["path"], "error": row["error"]} for row in failed]
        folder.write(name, to_parquet(both, arrow_schema(("path", "error"))))
    elif folder.has(name):
        folder.remove(name)


def _summary(shard: int, rows: list[Row], content: bytes) -> Summary:
    anomalous = sum(row["is_anomalous"] is True for row in rows)
    unreadable = sum(bool(row["error"]) for row in rows)
    return Summary(shard, len(rows), anomalous, unreadable, len(content), sha256(content))
