"""Search: inspections that match a filter, a page at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import and_, func, not_, or_, select

from twinspect.errors import ConfigError, unknown_name
from twinspect.serve.store.inspections import ALL_TABLES, LATEST, WAS_INSPECTABLE, fetch, select_inspections
from twinspect.serve.store.ordering import Order
from twinspect.serve.store.schema import IMAGES, INSPECTIONS, MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from twinspect.serve.store.records import InspectionRow, Source

MAX_PAGE_ROWS: Final = 1000
"""Upper limit of the rows of one page."""


def _starts_with(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Compare a prefix with case; LIKE ignores case in SQLite."""
    return func.substr(column, 1, len(text)) == text


_DONE = INSPECTIONS.c.state == "done"
_DECISIONS: Final[Mapping[str, ColumnElement[bool]]] = {
    "anomalous": and_(_DONE, INSPECTIONS.c.is_anomalous.is_(True)),
    "good": and_(_DONE, INSPECTIONS.c.is_anomalous.is_(False), WAS_INSPECTABLE),
    "not_inspectable": and_(_DONE, not_(WAS_INSPECTABLE)),
    "failed": INSPECTIONS.c.state == "failed",
}
_FEEDBACK: Final[Mapping[str, ColumnElement[bool]]] = {
    "good": LATEST.c.verdict == "good",
    "defect": LATEST.c.verdict == "defect",
    "unsure": LATEST.c.verdict == "unsure",
    "none": LATEST.c.id.is_(None),
    "disagree": or_(
        and_(LATEST.c.verdict == "good", INSPECTIONS.c.is_anomalous.is_(True)),
        and_(LATEST.c.verdict == "defect", INSPECTIONS.c.is_anomalous.is_(False), WAS_INSPECTABLE),
    ),
}
_CONDITIONS: Final[Mapping[str, Callable[..., ColumnElement[bool]]]] = {
    "model": lambda value: MODELS.c.name == value,
    "category": lambda value: INSPECTIONS.c.category == value,
    "since": lambda value: INSPECTIONS.c.accepted_at >= value,
    "until": lambda value: INSPECTIONS.c.accepted_at < value,
    "name_contains": lambda value: INSPECTIONS.c.name.icontains(value, autoescape=True),
    "image_sha256": lambda value: IMAGES.c.sha256 == value,
    "source": lambda value: INSPECTIONS.c.source == value,
    "folder": lambda value: _starts_with(INSPECTIONS.c.source_key, value.rstrip(os.sep) + os.sep),
}


@dataclass(frozen=True)
class Filter:
    """Which inspections to find; ``None`` stands for any.

    Attributes:
        model: the model's name.
        decision: of the detector; ``failed`` where there is none.
        feedback: the newest verdict; ``none`` for those without feedback, ``disagree`` where it contradicts the
            decision.
        category: exactly this one; empty for those without.
        since: accepted at or after.
        until: accepted before.
        name_contains: a part of the name, in any case (in SQLite for ASCII letters only).
        image_sha256: of this image.
        source: where the image came from.
        folder: the image arrived in this watched folder, an absolute path, or below it.
    """

    model: str | None = None
    decision: Literal["anomalous", "good", "not_inspectable", "failed"] | None = None
    feedback: Literal["good", "defect", "unsure", "none", "disagree"] | None = None
    category: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    name_contains: str | None = None
    image_sha256: str | None = None
    source: Source | None = None
    folder: str | None = None

    def __post_init__(self) -> None:
        """Refuse unknown values, and times without a zone."""
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
        """Return the conditions in SQL, over :data:`ALL_TABLES`."""
        conditions = [
            condition(value)
            for name, condition in _CONDITIONS.items()
            if (value := getattr(self, name)) is not None
        ]
        conditions += [_DECISIONS[self.decision]] if self.decision else []
        return conditions + ([_FEEDBACK[self.feedback]] if self.feedback else [])


@dataclass(frozen=True)
class Page:
    """A part of the matching inspections, in the order asked for.

    Attributes:
        next: ``after`` of the following page; ``None`` on the last one.
        total: how many inspections match at this moment.
    """

    rows: tuple[InspectionRow, ...]
    next: int | None
    total: int


def search(
    connection: Connection, criteria: Filter, after: int | None, limit: int, order: Order | None = None
) -> Page:
    """Find inspections, newest first or in another order; rows added meanwhile move nothing on later pages.

    Args:
        connection: of a transaction.
        criteria: which inspections to find.
        after: the last id of the previous page; ``None`` for the first page.
        limit: rows of a page, 1 to :data:`MAX_PAGE_ROWS`.
        order: newest first if not given.

    Raises:
        ConfigError: the limit is out of range.
    """
    if not 1 <= limit <= MAX_PAGE_ROWS:
        raise ConfigError(f"a page has 1 to {MAX_PAGE_ROWS} rows, got limit={limit}")
    order = order or Order()
    where = criteria.where()
    total = connection.execute(select(func.count()).select_from(ALL_TABLES).where(*where)).scalar_one()
    if after is not None:
        where.append(order.following(after))
    query = select_inspections().where(*where).order_by(*order.clauses()).limit(limit + 1)
    rows = fetch(connection, query)
    page = tuple(rows[:limit])
    return Page(page, page[-1].id if len(rows) > limit else None, int(total))
