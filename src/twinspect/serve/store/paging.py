"""Looking back: inspections by what they are, a page at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import and_, func, or_, select

from twinspect.errors import ConfigError, unknown_name
from twinspect.serve.store.inspections import EVERYTHING, LATEST, everything, rows
from twinspect.serve.store.schema import IMAGES, INSPECTIONS, MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from twinspect.serve.store.records import InspectionRow, Source

MOST: Final = 1000
"""Rows of one page."""


def _begins(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Compare a beginning as it is written: LIKE takes small letters for capital ones in SQLite."""
    return func.substr(column, 1, len(text)) == text


_DONE = INSPECTIONS.c.state == "done"
_DECISIONS: Final[Mapping[str, ColumnElement[bool]]] = {
    "anomalous": and_(_DONE, INSPECTIONS.c.is_anomalous.is_(True)),
    "good": and_(_DONE, INSPECTIONS.c.is_anomalous.is_(False)),
    "failed": INSPECTIONS.c.state == "failed",
}
_FEEDBACK: Final[Mapping[str, ColumnElement[bool]]] = {
    "good": LATEST.c.verdict == "good",
    "defect": LATEST.c.verdict == "defect",
    "unsure": LATEST.c.verdict == "unsure",
    "none": LATEST.c.id.is_(None),
    "disagree": or_(
        and_(LATEST.c.verdict == "good", INSPECTIONS.c.is_anomalous.is_(True)),
        and_(LATEST.c.verdict == "defect", INSPECTIONS.c.is_anomalous.is_(False)),
    ),
}
_OTHERS: Final[Mapping[str, Callable[..., ColumnElement[bool]]]] = {
    "model": lambda value: MODELS.c.name == value,
    "category": lambda value: INSPECTIONS.c.category == value,
    "since": lambda value: INSPECTIONS.c.accepted_at >= value,
    "until": lambda value: INSPECTIONS.c.accepted_at < value,
    "name_contains": lambda value: INSPECTIONS.c.name.icontains(value, autoescape=True),
    "image_sha256": lambda value: IMAGES.c.sha256 == value,
    "source": lambda value: INSPECTIONS.c.source == value,
    "folder": lambda value: _begins(INSPECTIONS.c.source_key, value.rstrip(os.sep) + os.sep),
}


@dataclass(frozen=True)
class Filter:
    """Which inspections are wanted; ``None`` leaves a question out.

    Attributes:
        model: by name.
        decision: what the detector said.
        feedback: what was said of it last; ``none`` where nothing was, ``disagree`` where it contradicts the
            decision.
        category: exactly this one; empty for those without.
        since: accepted at or after.
        until: accepted before.
        name_contains: a part of the name; small and capital letters (of ASCII in SQLite) are the same.
        image_sha256: of this image.
        source: where it came from.
        folder: it arrived in this watched folder, an absolute path, or below.
    """

    model: str | None = None
    decision: Literal["anomalous", "good", "failed"] | None = None
    feedback: Literal["good", "defect", "unsure", "none", "disagree"] | None = None
    category: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    name_contains: str | None = None
    image_sha256: str | None = None
    source: Source | None = None
    folder: str | None = None

    def __post_init__(self) -> None:
        """Refuse names that are not known, and times without a zone."""
        for kind, value, known in (
            ("decision", self.decision, _DECISIONS),
            ("feedback", self.feedback, _FEEDBACK),
        ):
            if value is not None and value not in known:
                raise unknown_name(kind, value, known)
        for name, at in (("since", self.since), ("until", self.until)):
            if at is not None and at.tzinfo is None:
                raise ConfigError(f"{name} needs a zone, for instance {at.isoformat()}+00:00")

    def where(self) -> list[ColumnElement[bool]]:
        """Say it in SQL, over :data:`EVERYTHING`."""
        found = [of(value) for name, of in _OTHERS.items() if (value := getattr(self, name)) is not None]
        found += [_DECISIONS[self.decision]] if self.decision else []
        return found + ([_FEEDBACK[self.feedback]] if self.feedback else [])


@dataclass(frozen=True)
class Page:
    """A part of what was found, newest first.

    Attributes:
        next: ``after`` of the page that follows, or ``None`` at the end.
        total: how many there are in all at this moment.
    """

    rows: tuple[InspectionRow, ...]
    next: int | None
    total: int


def search(connection: Connection, wanted: Filter, after: int | None, limit: int) -> Page:
    """Find inspections, newest first; rows that are added meanwhile move nothing on later pages.

    Args:
        connection: of a transaction.
        wanted: which.
        after: the id that the page before ended with; ``None`` for the first page.
        limit: rows of a page, 1 to :data:`MOST`.

    Raises:
        ConfigError: another limit.
    """
    if not 1 <= limit <= MOST:
        raise ConfigError(f"a page has 1 to {MOST} rows, got limit={limit}")
    where = wanted.where()
    total = connection.execute(select(func.count()).select_from(EVERYTHING).where(*where)).scalar_one()
    if after is not None:
        where.append(INSPECTIONS.c.id < after)
    query = everything().where(*where).order_by(INSPECTIONS.c.id.desc()).limit(limit + 1)
    found = rows(connection, query)
    page = tuple(found[:limit])
    return Page(page, page[-1].id if len(found) > limit else None, int(total))
