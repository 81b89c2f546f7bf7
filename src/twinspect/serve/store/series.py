"""Scores over time, as arrays, for histograms, drift and recalibration proposals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import func, not_, select

from twinspect.errors import ConfigError
from twinspect.serve.store.inspections import LATEST, WAS_INSPECTABLE, WITH_FEEDBACK
from twinspect.serve.store.schema import INSPECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement, Connection

    from twinspect.serve.store.records import ModelRow, Verdict


@dataclass(frozen=True)
class InspectionSeries:
    """Scored inspections of one model with one set of weights, in the order in which they were scored.

    Images that could not be inspected are not among them: nothing was decided on them.

    Attributes:
        ids: (N,) of the inspections.
        scored_at: N times, UTC.
        scores: (N,) raw, unbounded, higher is more anomalous.
        p_values: (N,) in (0, 1], as they were computed then.
        is_anomalous: (N,) as decided then.
        categories: N; empty where none was given.
        verdicts: N, from the newest feedback; ``None`` where there is none.
        statistics: N, of each image's appearance; empty where they were not kept.
    """

    ids: NDArray[np.int64]
    scored_at: tuple[datetime, ...]
    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    is_anomalous: NDArray[np.bool_]
    categories: tuple[str, ...]
    verdicts: tuple[Verdict | None, ...]
    statistics: tuple[dict[str, float], ...]

    def __len__(self) -> int:
        return len(self.ids)


_COLUMNS = (
    INSPECTIONS.c.id,
    INSPECTIONS.c.scored_at,
    INSPECTIONS.c.score,
    INSPECTIONS.c.p_value,
    INSPECTIONS.c.is_anomalous,
    INSPECTIONS.c.category,
    LATEST.c.verdict,
    INSPECTIONS.c.statistics,
)
_ORDER = (INSPECTIONS.c.scored_at, INSPECTIONS.c.id)


def newest(
    connection: Connection,
    model: ModelRow,
    since: datetime | None,
    limit: int,
    verdict: Verdict | None = None,
) -> InspectionSeries:
    """Return the newest scores by the model's current weights, in the order in which they were scored."""
    where = _comparable(model)
    where += [INSPECTIONS.c.scored_at >= since] if since is not None else []
    where += [LATEST.c.verdict == verdict] if verdict is not None else []
    query = select(*_COLUMNS).select_from(WITH_FEEDBACK).where(*where)
    rows = connection.execute(query.order_by(*(column.desc() for column in _ORDER)).limit(limit)).all()
    return _series(rows[::-1])


def windows(connection: Connection, model: ModelRow, size: int, limit: int) -> list[InspectionSeries]:
    """Cut these scores into windows of equal size, and return the last full ones.

    Windows are counted from the first score on, so a new score never changes an earlier window.
    """
    if size < 1 or limit < 1:
        raise ConfigError(f"size and limit of windows must be at least 1; got {size} and {limit}")
    where = _comparable(model)
    count = connection.execute(select(func.count()).select_from(INSPECTIONS).where(*where)).scalar_one()
    first = max(0, count // size - limit)
    query = select(*_COLUMNS).select_from(WITH_FEEDBACK).where(*where).order_by(*_ORDER)
    rows = connection.execute(query.offset(first * size).limit((count // size - first) * size)).all()
    return [_series(rows[start : start + size]) for start in range(0, len(rows), size)]


def count_not_inspectable(connection: Connection, model: ModelRow, since: datetime) -> int:
    """Count the images scored since then, by the model's current weights, that could not be inspected."""
    *where, _ = _comparable(model)
    where += [not_(WAS_INSPECTABLE), INSPECTIONS.c.scored_at >= since]
    return int(connection.execute(select(func.count()).select_from(INSPECTIONS).where(*where)).scalar_one())


def _comparable(model: ModelRow) -> list[ColumnElement[bool]]:
    return [
        INSPECTIONS.c.model_id == model.id,
        INSPECTIONS.c.weights_sha256 == model.weights_sha256,
        INSPECTIONS.c.state == "done",
        WAS_INSPECTABLE,
    ]


def _series(rows: Sequence[Any]) -> InspectionSeries:
    ids, times, scores, p_values, anomalous, categories, verdicts, statistics = (
        zip(*rows, strict=True) if rows else ((),) * 8
    )
    return InspectionSeries(
        np.array(ids, dtype=np.int64),
        tuple(times),
        np.array(scores, dtype=np.float64),
        np.array(p_values, dtype=np.float64),
        np.array(anomalous, dtype=np.bool_),
        tuple(categories),
        tuple(verdicts),
        tuple(values or {} for values in statistics),
    )
