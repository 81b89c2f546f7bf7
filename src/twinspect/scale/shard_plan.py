"""The plan of a run: the listing, written once and cut into shards of work, and what it was made from.

``plan.json`` is written last: where it exists, the plan is complete, and a resumed run does not list again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta, Struct

from twinspect.bundle.schema import Count, Number, RecordError, parse
from twinspect.data.prefetching import prefetch
from twinspect.errors import ConfigError, DataError
from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.scale.listing import SkippedFiles, list_images
from twinspect.scale.parquet import naming_damage
from twinspect.scale.work_items import decode_items, encode_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from twinspect.scale.run_folder import RunFolder
    from twinspect.scale.work_items import WorkItem

FORMAT: Final = 1
PLAN, MANIFEST = "plan.json", "manifest.json"
WRITERS: Final = 16
"""Parts that are written at once: an object store is slow with each, but takes many in parallel."""
PARTS, ROWS, ERRORS, ATTEMPTS = "plan", "rows", "errors", "attempts"


@dataclass(frozen=True)
class ShardPlan:
    """The images of a run, cut into shards.

    Attributes:
        key: what decides the rows: the model, the inputs and the options that change a row.
        images: number of images.
        shards: number of shards.
        left_out: number of files that were found and are not scored.
        first_left_out: the first of them, and why.
        refused: sources that were named to be scored and cannot be, each with its reason.
    """

    key: dict[str, Any]
    images: int
    shards: int
    left_out: int = 0
    first_left_out: str = ""
    refused: Sequence[str] = ()


class PlanRecord(Struct):
    """``plan.json``."""

    format: int
    key: dict[str, Any]
    images: Number
    shards: Annotated[int, Meta(ge=1, le=2**31)]
    left_out: Count = 0
    first_left_out: str = ""
    refused: list[str] = []


def part_name(shard: int) -> str:
    """Name the file of a shard, in each of the sub-folders.

    >>> part_name(7)
    'part-000007.parquet'
    """
    return f"part-{shard:06d}.parquet"


def check_shard_size(images: int) -> int:
    """Return the number of images per shard.

    Raises:
        ConfigError: batches would be cut at other places than without shards.
    """
    if images < 1 or images % SCORE_BATCH:
        raise ConfigError(f"--shard-images {images}; allowed are multiples of {SCORE_BATCH}, such as 512")
    return images


def open_plan(folder: RunFolder, key: dict[str, Any], *, overwrite: bool = False) -> ShardPlan | None:
    """Read the plan in a folder; ``None`` if there is none, or an incomplete one.

    Args:
        folder: folder of the run.
        key: what decides the rows of the current run.
        overwrite: discard what is there.

    Raises:
        DataError: the folder holds another run; says what differs.
    """
    if overwrite:
        _clear(folder)
    if not folder.has(PLAN):
        if folder.names(ROWS) or folder.has(MANIFEST):
            raise DataError("--out holds rows without a plan; choose another --out, or --overwrite")
        return None
    plan = _read_plan(folder)
    _check_same_run(plan.key, key)
    return plan


def planned_key(folder: RunFolder) -> dict[str, Any] | None:
    """Give what decides the rows of the run in a folder; ``None`` if there is no plan yet.

    Raises:
        DataError: the plan is damaged.
    """
    return _read_plan(folder).key if folder.has(PLAN) else None


def _read_plan(folder: RunFolder) -> ShardPlan:
    try:
        record = parse(folder.read(PLAN), PlanRecord)
    except RecordError as error:
        raise DataError(
            f"{PLAN} in --out is damaged ({error}); choose another --out, or --overwrite"
        ) from error
    if record.format != FORMAT:
        raise DataError(f"{PLAN} in --out is not of format {FORMAT}: resume with the twinspect that wrote it")
    counts = (record.images, record.shards, record.left_out, record.first_left_out)
    return ShardPlan(record.key, *counts, tuple(record.refused))


def make_plan(folder: RunFolder, key: dict[str, Any], *, column: str | None = None) -> ShardPlan:
    """List the images and write the plan, a shard at a time.

    Args:
        folder: folder of the run; an unfinished plan in it is replaced.
        key: has the ``inputs``, the ``category`` of all images or ``None``, and ``shard_images``.
        column: the Parquet column of images, where a file has several that could be.

    Raises:
        DataError: an input cannot be listed to its end, or there are no images.
    """
    folder.remove(PARTS)
    skipped, images, shards = SkippedFiles(), 0, 0
    parts = enumerate(_chunks(list_images(key["inputs"], skipped, column=column), key["shard_images"]))
    write = partial(_write_part, folder)
    for written in prefetch(parts, write, workers=WRITERS, ahead=2 * WRITERS):
        images, shards = images + written, shards + 1
    if not images:
        raise DataError(f"{', '.join(key['inputs'])}: no images there{_example(skipped)}")
    plan = ShardPlan(key, images, shards, skipped.count, skipped.first, skipped.sources)
    folder.write(PLAN, to_json({"format": FORMAT, **vars(plan)}))
    return plan


def _write_part(folder: RunFolder, numbered: tuple[int, Sequence[WorkItem]]) -> int:
    """Write the images of one shard; return how many there are."""
    shard, part = numbered
    folder.write(f"{PARTS}/{part_name(shard)}", encode_items(part))
    return len(part)


def read_part(folder: RunFolder, shard: int) -> list[WorkItem]:
    """Read the images of one shard.

    Raises:
        DataError: the part is damaged.
    """
    name = f"{PARTS}/{part_name(shard)}"
    content = folder.read(name)
    with naming_damage(name):
        return decode_items(content)


def to_json(record: dict[str, Any]) -> bytes:
    """Write a record as readable JSON."""
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def _clear(folder: RunFolder) -> None:
    """Remove a run; its plan goes after its rows, so that they are never taken for those of another run."""
    for name in (MANIFEST, ROWS, ERRORS, ATTEMPTS, PLAN, PARTS):
        folder.remove(name)


def _check_same_run(old: dict[str, Any], new: dict[str, Any]) -> None:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            difference = f"{name} {old.get(name)!r}, not {new.get(name)!r}"
            difference = "another model or threshold" if name == "model" else difference
            raise DataError(f"--out was started with {difference}; choose another --out, or --overwrite")


def _chunks(items: Iterable[WorkItem], size: int) -> Iterator[Sequence[WorkItem]]:
    stream = iter(items)
    while part := list(islice(stream, size)):
        yield part


def _example(skipped: SkippedFiles) -> str:
    return f" ({skipped.count} files left out, for instance {skipped.first})" if skipped.count else ""
