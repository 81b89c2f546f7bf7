"""Removing old image files. Rows stay for good: what was decided and why can always be read."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, exists, func, select, true, update

from twinspect.errors import ConfigError
from twinspect.serve.store.schema import FEEDBACK, IMAGES, INSPECTIONS, PHOTOS
from twinspect.serve.store.sql import insert_into

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection

    from twinspect.serve.store.store import Store

BATCH: Final = 64
"""Images removed in one transaction; small, so that accepting images never waits long."""
ABANDONED_AFTER: Final = 3600.0
"""Seconds after which a file without a row is abandoned: its writer died before the image was accepted."""


@dataclass(frozen=True)
class Removed:
    """What a retention run removed.

    Attributes:
        images: files of inspections.
        bytes: their total size.
        abandoned: files that belong to no inspection, left by a crash.
    """

    images: int
    bytes: int
    abandoned: int


@dataclass(frozen=True)
class Retention:
    """How long image files are kept; ``None`` for ever.

    Queued images and products' photos are never removed, nor those with feedback not before ``feedback_days``,
    whatever their size.

    Attributes:
        days: since an image was last accepted.
        gigabytes: of all files together (10⁹ bytes); the oldest are removed first.
        feedback_days: since an image was last given feedback.
    """

    days: float | None = None
    gigabytes: float | None = None
    feedback_days: float | None = None

    def __post_init__(self) -> None:
        """Refuse negative values."""
        for name in ("days", "gigabytes", "feedback_days"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ConfigError(f"retention {name} must be 0 or more, got {value}")

    def run(self, store: Store, *, who: str = "retention") -> Removed:
        """Remove what exceeds the limits, oldest first, and record it in the audit if anything was removed.

        Raises:
            OSError: a file cannot be removed; those removed before are recorded in their rows.
        """
        sizes = [size for batch in self._batches(store) for size in batch]
        removed = Removed(len(sizes), sum(sizes), _remove_abandoned(store))
        if removed.images or removed.abandoned:
            limits = f"over {self.days} days, {self.gigabytes} GB, {self.feedback_days} days of feedback"
            store.add_audit_entry(who, "retention", limits, details=asdict(removed))
        return removed

    def _batches(self, store: Store) -> Iterator[list[int]]:
        while sizes := self._batch(store):
            yield sizes

    def _batch(self, store: Store) -> list[int]:
        with store.writing() as connection:
            candidates = self._next_to_remove(connection, store.now())
            rows = IMAGES.c.sha256.in_(candidates)
            # Lock, then check again: an image may have been accepted once more in between.
            connection.execute(
                select(IMAGES.c.sha256).where(rows).order_by(IMAGES.c.sha256).with_for_update()
            )
            query = select(IMAGES.c.sha256, IMAGES.c.bytes).where(rows, self._is_removable(store.now()))
            sizes = {sha256: int(size) for sha256, size in connection.execute(query)}
            for sha256 in sizes:
                store.archive.remove(sha256)
            removed = update(IMAGES).where(IMAGES.c.sha256.in_(sizes))
            connection.execute(removed.values(removed_at=store.now()))
            return list(sizes.values())

    def _next_to_remove(self, connection: Connection, now: datetime) -> Sequence[str]:
        """Name the next images to remove: the oldest removable ones while a limit is exceeded."""
        excess = self._excess(connection)
        query = select(IMAGES.c.sha256, IMAGES.c.bytes, IMAGES.c.used_at).where(self._is_removable(now))
        names = []
        for sha256, size, used_at in connection.execute(query.order_by(IMAGES.c.used_at).limit(BATCH)):
            is_old = self.days is not None and used_at < now - timedelta(days=self.days)
            if not is_old and excess <= 0:
                break
            excess -= size
            names.append(sha256)
        return names

    def _excess(self, connection: Connection) -> float:
        if self.gigabytes is None:
            return 0.0
        total = select(func.coalesce(func.sum(IMAGES.c.bytes), 0)).where(IMAGES.c.removed_at.is_(None))
        return float(connection.execute(total).scalar_one()) - self.gigabytes * 1e9

    def _is_removable(self, now: datetime) -> ColumnElement[bool]:
        same_image = INSPECTIONS.c.image_sha256 == IMAGES.c.sha256
        is_queued = exists().where(same_image, INSPECTIONS.c.state == "queued")
        has_feedback = exists().where(
            same_image, FEEDBACK.c.inspection_id == INSPECTIONS.c.id, self._is_protecting(now)
        )
        is_photo = exists().where(PHOTOS.c.image_sha256 == IMAGES.c.sha256)
        return and_(IMAGES.c.removed_at.is_(None), ~is_queued, ~has_feedback, ~is_photo)

    def _is_protecting(self, now: datetime) -> ColumnElement[bool]:
        if self.feedback_days is None:
            return true()
        return FEEDBACK.c.created_at >= now - timedelta(days=self.feedback_days)


def _remove_abandoned(store: Store) -> int:
    """Remove files that crashes left: partly written ones, and images that were never accepted."""
    old = [file for file in store.archive.files() if _is_abandoned(file)]
    return sum(
        _remove_abandoned_batch(store, old[start : start + BATCH]) for start in range(0, len(old), BATCH)
    )


def _is_abandoned(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime > ABANDONED_AFTER
    except FileNotFoundError:  # it was listed while it was partly written, and has its own name by now
        return False


def _remove_abandoned_batch(store: Store, files: Sequence[Path]) -> int:
    partial = [file for file in files if file.name.startswith(".")]
    for file in partial:
        file.unlink(missing_ok=True)
    names = {file.stem: file for file in files if file not in partial}
    with store.reading() as connection:
        known = set(connection.execute(select(IMAGES.c.sha256).where(IMAGES.c.sha256.in_(names))).scalars())
    return len(partial) + sum(_remove_file(store, names[sha256]) for sha256 in names.keys() - known)


def _remove_file(store: Store, file: Path) -> bool:
    """Remove one file while its name is locked: whoever accepts the same image now waits, and writes it again."""
    values: dict[str, Any] = {"sha256": file.stem, "suffix": file.suffix, "bytes": 0, "width": 0, "height": 0}
    with store.writing() as connection:
        insert = insert_into(connection, IMAGES).values(**values, stored_at=store.now(), used_at=store.now())
        claim = insert.on_conflict_do_nothing(index_elements=[IMAGES.c.sha256]).returning(IMAGES.c.sha256)
        if connection.execute(claim).first() is None:
            return False
        file.unlink(missing_ok=True)
        connection.execute(IMAGES.delete().where(IMAGES.c.sha256 == file.stem))
    return True
