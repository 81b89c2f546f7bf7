"""Old images make room. Rows stay for good: what was decided and why can always be read."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, exists, func, select, true, update

from twinspect.errors import ConfigError
from twinspect.serve.store.schema import FEEDBACK, IMAGES, INSPECTIONS
from twinspect.serve.store.sql import insert_into

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection

    from twinspect.serve.store.store import Store

BATCH: Final = 64
"""Images removed in one transaction, so that nobody who accepts images waits long."""
ABANDONED: Final = 3600.0
"""Seconds after which a file without a row belongs to nobody: what put it there died before it was accepted."""


@dataclass(frozen=True)
class Removed:
    """What a run removed.

    Attributes:
        images: files of inspections.
        bytes: their size.
        abandoned: files that no inspection ever had, left by a crash.
    """

    images: int
    bytes: int
    abandoned: int


@dataclass(frozen=True)
class Retention:
    """How long image files are kept; ``None`` is for ever.

    Images that wait for scoring are never removed, and those with feedback not before ``feedback_days``, however old
    they are and however much they take.

    Attributes:
        days: since an image was last accepted.
        gigabytes: of all together (10⁹ bytes); the oldest go first.
        feedback_days: since an image was last given feedback.
    """

    days: float | None = None
    gigabytes: float | None = None
    feedback_days: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no length of time or size."""
        for name in ("days", "gigabytes", "feedback_days"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ConfigError(f"retention {name} is a number from 0 up, got {value}")

    def run(self, store: Store, *, who: str = "retention") -> Removed:
        """Remove what is over the limits, oldest first, and note it in the audit if that was anything.

        Raises:
            OSError: a file cannot be removed; what was removed before is noted in its rows.
        """
        sizes = [size for batch in self._batches(store) for size in batch]
        removed = Removed(len(sizes), sum(sizes), _sweep(store))
        if removed.images or removed.abandoned:
            limits = f"over {self.days} days, {self.gigabytes} GB, {self.feedback_days} days of feedback"
            store.note(who, "retention", limits, details=asdict(removed))
        return removed

    def _batches(self, store: Store) -> Iterator[list[int]]:
        while sizes := self._batch(store):
            yield sizes

    def _batch(self, store: Store) -> list[int]:
        with store.writing() as connection:
            wanted = self._wanted(connection, store.now())
            rows = IMAGES.c.sha256.in_(wanted)
            # Lock, then look again: an image may have been accepted once more between the two.
            connection.execute(
                select(IMAGES.c.sha256).where(rows).order_by(IMAGES.c.sha256).with_for_update()
            )
            again = select(IMAGES.c.sha256, IMAGES.c.bytes).where(rows, self._may_go(store.now()))
            found = connection.execute(again).all()
            for sha256, _ in found:
                store.archive.remove(sha256)
            gone = update(IMAGES).where(IMAGES.c.sha256.in_([each[0] for each in found]))
            connection.execute(gone.values(removed_at=store.now()))
            return [int(each[1]) for each in found]

    def _wanted(self, connection: Connection, now: datetime) -> Sequence[str]:
        """Name the next images to go: the oldest that may, as long as a limit is passed."""
        excess = self._excess(connection)
        query = select(IMAGES.c.sha256, IMAGES.c.bytes, IMAGES.c.used_at).where(self._may_go(now))
        wanted = []
        for sha256, size, used_at in connection.execute(query.order_by(IMAGES.c.used_at).limit(BATCH)):
            is_old = self.days is not None and used_at < now - timedelta(days=self.days)
            if not is_old and excess <= 0:
                break
            excess -= size
            wanted.append(sha256)
        return wanted

    def _excess(self, connection: Connection) -> float:
        if self.gigabytes is None:
            return 0.0
        total = select(func.coalesce(func.sum(IMAGES.c.bytes), 0)).where(IMAGES.c.removed_at.is_(None))
        return float(connection.execute(total).scalar_one()) - self.gigabytes * 1e9

    def _may_go(self, now: datetime) -> ColumnElement[bool]:
        own = INSPECTIONS.c.image_sha256 == IMAGES.c.sha256
        waits = exists().where(own, INSPECTIONS.c.state == "queued")
        said = exists().where(own, FEEDBACK.c.inspection_id == INSPECTIONS.c.id, self._counts(now))
        return and_(IMAGES.c.removed_at.is_(None), ~waits, ~said)

    def _counts(self, now: datetime) -> ColumnElement[bool]:
        if self.feedback_days is None:
            return true()
        return FEEDBACK.c.created_at >= now - timedelta(days=self.feedback_days)


def _sweep(store: Store) -> int:
    """Remove files that crashes left: half written ones, and images that were never accepted."""
    old = [each for each in store.archive.files() if time.time() - each.stat().st_mtime > ABANDONED]
    return sum(_sweep_batch(store, old[start : start + BATCH]) for start in range(0, len(old), BATCH))


def _sweep_batch(store: Store, files: Sequence[Path]) -> int:
    halves = [each for each in files if each.name.startswith(".")]
    for each in halves:
        each.unlink(missing_ok=True)
    names = {each.stem: each for each in files if each not in halves}
    with store.reading() as connection:
        known = set(connection.execute(select(IMAGES.c.sha256).where(IMAGES.c.sha256.in_(names))).scalars())
    return len(halves) + sum(_abandon(store, names[sha256]) for sha256 in names.keys() - known)


def _abandon(store: Store, file: Path) -> bool:
    """Remove one file while holding its name: who accepts the same image now waits, and writes it again."""
    values: dict[str, Any] = {"sha256": file.stem, "suffix": file.suffix, "bytes": 0, "width": 0, "height": 0}
    with store.writing() as connection:
        insert = insert_into(connection, IMAGES).values(**values, stored_at=store.now(), used_at=store.now())
        claim = insert.on_conflict_do_nothing(index_elements=[IMAGES.c.sha256]).returning(IMAGES.c.sha256)
        if connection.execute(claim).first() is None:
            return False
        file.unlink(missing_ok=True)
        connection.execute(IMAGES.delete().where(IMAGES.c.sha256 == file.stem))
    return True
