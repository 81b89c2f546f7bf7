"""The plan of a run: the listing, written once and cut into shards of work, and what it was made of.

``plan.json`` is written last: where it is, the plan is whole, and a run that goes on does not list again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twinspect.data.prefetching import prefetch
from twinspect.errors import ConfigError, DataError
from twinspect.inference.pipeline import SCORE_BATCH
from twinspect.scale.listing import LeftOut, list_entries
from twinspect.scale.work_items import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from twinspect.scale.run_folder import Folder
    from twinspect.scale.work_items import WorkItem

FORMAT: Final = 1
PLAN, MANIFEST = "plan.json", "manifest.json"
WRITERS: Final = 16
"""Parts that are written at once: an object store takes its time over each, but takes many."""
PARTS, ROWS, ERRORS, ATTEMPTS = "plan", "rows", "errors", "attempts"


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        key: what decides the rows: the model, the inputs and the options that change a row.
        images: how many are listed.
        shards: in how many parts.
        left_out: how many files were found and are not scored.
        first_left_out: the first of them, and why.
    """

    key: dict[str, Any]
    images: int
    shards: int
    left_out: int = 0
    first_left_out: str = ""


def part_name(shard: int) -> str:
    """Name what belongs to a shard, in each of the sub-folders.

    >>> part_name(7)
    'part-000007.parquet'
    """
    return f"part-{shard:06d}.parquet"


def check_shard_size(images: int) -> int:
    """Return how many images make a shard.

    Raises:
        ConfigError: batches would fall on other places than in one list.
    """
    if images < 1 or images % SCORE_BATCH:
        raise ConfigError(f"--shard-images {images}; allowed are multiples of {SCORE_BATCH}, such as 512")
    return images


def open_plan(folder: Folder, key: dict[str, Any], *, overwrite: bool = False) -> Plan | None:
    """Give the plan that a folder holds; ``None`` where there is none, or none that is whole.

    Args:
        folder: of the run.
        key: what the run at hand would be made of.
        overwrite: throw away what is there.

    Raises:
        DataError: the folder holds the rows of something else; says what differs.
    """
    if overwrite:
        _clear(folder)
    if not folder.has(PLAN):
        if folder.names(ROWS) or folder.has(MANIFEST):
            raise DataError("--out holds rows without a plan; choose another --out, or --overwrite")
        return None
    record = json.loads(folder.read(PLAN))
    if record.pop("format") != FORMAT:
        raise DataError(f"{PLAN} in --out is not of format {FORMAT}: go on with the twinspect that wrote it")
    plan = Plan(**record)
    _check_same(plan.key, key)
    return plan


def make_plan(folder: Folder, key: dict[str, Any], *, column: str | None = None) -> Plan:
    """List the images and write the plan, a shard at a time.

    Args:
        folder: of the run; an unfinished plan in it is made again.
        key: says the ``inputs``, the ``category`` of all images or ``None``, and ``shard_images``.
        column: the Parquet column that holds images, where a file has several that could.

    Raises:
        DataError: an input is not there or cannot be listed, or there are no images.
    """
    folder.remove(PARTS)
    left, images, shards = LeftOut(), 0, 0
    parts = enumerate(_cut(list_entries(key["inputs"], left, column=column), key["shard_images"]))
    write = partial(_write_part, folder)
    for written in prefetch(parts, write, workers=WRITERS, ahead=2 * WRITERS):
        images, shards = images + written, shards + 1
    if not images:
        raise DataError(f"{', '.join(key['inputs'])}: no images there{_example(left)}")
    plan = Plan(key, images, shards, left.count, left.first)
    folder.write(PLAN, to_json({"format": FORMAT, **vars(plan)}))
    return plan


def _write_part(folder: Folder, numbered: tuple[int, Sequence[WorkItem]]) -> int:
    """Write the images of one shard; say how many they are."""
    shard, part = numbered
    folder.write(f"{PARTS}/{part_name(shard)}", encode(part))
    return len(part)


def read_part(folder: Folder, shard: int) -> list[WorkItem]:
    """Read the images of one shard."""
    return decode(folder.read(f"{PARTS}/{part_name(shard)}"))


def to_json(record: dict[str, Any]) -> bytes:
    """Write a record as text that people can read."""
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def _clear(folder: Folder) -> None:
    """Remove a run; the plan goes after the rows made by it, so that they are never taken for another's."""
    for name in (MANIFEST, ROWS, ERRORS, ATTEMPTS, PLAN, PARTS):
        folder.remove(name)


def _check_same(kept: dict[str, Any], asked: dict[str, Any]) -> None:
    for name in sorted(kept.keys() | asked.keys()):
        if kept.get(name) != asked.get(name):
            were = f"{name} {kept.get(name)!r}, not {asked.get(name)!r}"
            were = "another model or threshold" if name == "model" else were
            raise DataError(f"--out was begun with {were}; choose another --out, or --overwrite")


def _cut(entries: Iterable[WorkItem], size: int) -> Iterator[Sequence[WorkItem]]:
    stream = iter(entries)
    while part := list(islice(stream, size)):
        yield part


def _example(left: LeftOut) -> str:
    return f" ({left.count} files left out, for instance {left.first})" if left.count else ""
