"""The order of a search, in SQL, such that a page begins after the last row of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import and_, case, func, literal, or_, select

from twinspect.serve.store.inspections import ALL_TABLES
from twinspect.serve.store.schema import INSPECTIONS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

SortKey = Literal["received", "name", "score", "p_value"]
Thresholds = Mapping[tuple[int, str | None], float]
"""By calibration and category; ``None`` for the categories that have none of their own."""

_LAST: Final = -1e300
"""Stands for the score of an image that has none: below all others."""


@dataclass(frozen=True)
class Order:
    """How found inspections are ordered; those that are equal, newest first.

    Attributes:
        by: ``received`` by number; ``score`` by multiples of the threshold that decided, which compares images of
            different models and calibrations.
        ascending: the lowest first.
        thresholds: what ``score`` divides by.
    """

    by: SortKey = "received"
    ascending: bool = False
    thresholds: Thresholds = field(default_factory=dict)

    def clauses(self) -> list[ColumnElement[Any]]:
        """Return what to order by."""
        key = self._key()
        newest = INSPECTIONS.c.id.desc()
        if key is None:
            return [INSPECTIONS.c.id.asc() if self.ascending else newest]
        return [key.asc() if self.ascending else key.desc(), newest]

    def following(self, after: int) -> ColumnElement[bool]:
        """Return the condition for rows that come after an inspection."""
        key, number = self._key(), INSPECTIONS.c.id
        if key is None:
            return number > after if self.ascending else number < after
        last = select(key).select_from(ALL_TABLES).where(number == after).correlate(None).scalar_subquery()
        return or_(key > last if self.ascending else key < last, and_(key == last, number < after))

    def _key(self) -> ColumnElement[Any] | None:
        keys = {"name": lambda: INSPECTIONS.c.name, "p_value": _p_value, "score": self._multiple}
        return None if self.by == "received" else keys[self.by]()

    def _multiple(self) -> ColumnElement[Any]:
        """Divide by the threshold; one of zero or below has no multiples, and then the distance to it counts."""
        score = INSPECTIONS.c.score
        of_categories_first = sorted(self.thresholds.items(), key=lambda item: item[0][1] is None)
        multiples = [
            (_decided_by(*key), score / line if line > 0 else 1 + score - line)
            for key, line in of_categories_first
        ]
        return func.coalesce(case(*multiples, else_=score) if multiples else score, literal(_LAST))


def _p_value() -> ColumnElement[Any]:
    return func.coalesce(INSPECTIONS.c.p_value, literal(2.0))


def _decided_by(calibration: int, category: str | None) -> ColumnElement[bool]:
    decided = INSPECTIONS.c.calibration_id == calibration
    return decided if category is None else and_(decided, INSPECTIONS.c.category == category)
