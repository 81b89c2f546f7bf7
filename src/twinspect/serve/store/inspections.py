"""Inspections: accepted once, finished once, and what people said of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

from sqlalchemy import case, func, select, update

from twinspect.errors import NotStoredError, unknown_name
from twinspect.serve.store.records import FeedbackRow, ImageRow, InspectionRow, Verdict
from twinspect.serve.store.schema import FEEDBACK, IMAGES, INSPECTIONS, MODELS
from twinspect.serve.store.sql import insert_into, insert_row, pick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from twinspect.serve.store.archive import Archive, StoredImage
    from twinspect.serve.store.records import Finished

LATEST = FEEDBACK.alias("latest")
"""The newest feedback of an inspection, in :data:`EVERYTHING`."""
_OTHER = FEEDBACK.alias("other")
_NEWEST = (
    select(func.max(_OTHER.c.id))
    .where(_OTHER.c.inspection_id == INSPECTIONS.c.id)
    .correlate(INSPECTIONS)
    .scalar_subquery()
)
JUDGED = INSPECTIONS.outerjoin(LATEST, LATEST.c.id == _NEWEST)
"""Inspections beside what was said of them last."""
EVERYTHING = JUDGED.join(MODELS, MODELS.c.id == INSPECTIONS.c.model_id).join(
    IMAGES, IMAGES.c.sha256 == INSPECTIONS.c.image_sha256
)


def accept(
    connection: Connection, archive: Archive, image: StoredImage, now: datetime, values: dict[str, Any]
) -> int | None:
    """Add a queued row, and the image's own.

    Returns:
        Its id; ``None`` where its source key is known already.
    """
    if _is_known(connection, values["model_id"], values["source_key"]):
        return None
    _use(connection, image, now)
    archive.restore(image)  # the row is held now, so retention removes nothing from here on
    queued = insert_into(connection, INSPECTIONS).values(
        image_sha256=image.sha256, state="queued", accepted_at=now, **values
    )
    once = queued.on_conflict_do_nothing(index_elements=[INSPECTIONS.c.model_id, INSPECTIONS.c.source_key])
    return connection.execute(once.returning(INSPECTIONS.c.id)).scalar()


def _is_known(connection: Connection, model_id: int, source_key: str | None) -> bool:
    same = (INSPECTIONS.c.model_id == model_id, INSPECTIONS.c.source_key == source_key)
    return (
        source_key is not None
        and connection.execute(select(INSPECTIONS.c.id).where(*same)).first() is not None
    )


def source_keys(connection: Connection, model_id: int) -> set[str]:
    """Give every source key of a model."""
    keys = select(INSPECTIONS.c.source_key).where(
        INSPECTIONS.c.model_id == model_id, INSPECTIONS.c.source_key.is_not(None)
    )
    return set(connection.execute(keys).scalars())


def _use(connection: Connection, image: StoredImage, now: datetime) -> None:
    """Note that an image is wanted, holding its row until the transaction ends."""
    row = {
        "sha256": image.sha256,
        "suffix": image.suffix,
        "bytes": image.bytes,
        "width": image.width,
        "height": image.height,
        "stored_at": now,
        "used_at": now,
    }
    insert = insert_into(connection, IMAGES).values(row)
    stored_at = case((IMAGES.c.removed_at.is_not(None), now), else_=IMAGES.c.stored_at)
    again = {"used_at": now, "stored_at": stored_at, "removed_at": None}
    connection.execute(insert.on_conflict_do_update(index_elements=[IMAGES.c.sha256], set_=again))


def finish(connection: Connection, results: Sequence[Finished], now: datetime) -> int:
    """Write what became of queued rows; a row that is finished stays as it is.

    Returns:
        How many were still queued.
    """
    written = 0
    for result in sorted(
        results, key=lambda each: each.id
    ):  # in one order everywhere, so that nobody deadlocks
        queued = update(INSPECTIONS).where(INSPECTIONS.c.id == result.id, INSPECTIONS.c.state == "queued")
        written += connection.execute(queued.values(scored_at=now, **_values(result))).rowcount
    return written


def _values(result: Finished) -> dict[str, Any]:
    error = result.error
    if error is None and (result.score is None or not math.isfinite(result.score)):
        error = f"the model's score is no finite number: {result.score}"
    if error is not None:
        return {"state": "failed", "error": error, "milliseconds": result.milliseconds}
    return {
        "state": "done",
        "weights_sha256": result.weights_sha256,
        "calibration_id": result.calibration_id,
        "score": float(result.score or 0.0),
        "p_value": result.p_value,
        "is_anomalous": result.is_anomalous,
        "milliseconds": result.milliseconds,
        "looks": _finite(result.looks),
    }


def _finite(looks: Mapping[str, float] | None) -> dict[str, float] | None:
    """JSON has no other numbers."""
    if looks is None:
        return None
    return {name: float(value) for name, value in looks.items() if math.isfinite(value)}


def read(connection: Connection, inspection_id: int) -> InspectionRow:
    """Find one.

    Raises:
        NotStoredError: there is none of this id.
    """
    found = rows(connection, everything().where(INSPECTIONS.c.id == inspection_id))
    if not found:
        raise NotStoredError(f"no inspection of id {inspection_id}; GET /v1/inspections lists them")
    return found[0]


def queued(connection: Connection, model_id: int) -> list[InspectionRow]:
    """Give those of a model that wait, first come first."""
    own: tuple[ColumnElement[bool], ...] = (
        INSPECTIONS.c.model_id == model_id,
        INSPECTIONS.c.state == "queued",
    )
    return rows(connection, everything().where(*own).order_by(INSPECTIONS.c.id))


def everything() -> Select[Any]:
    """Begin a query whose rows :func:`rows` understands."""
    return select(INSPECTIONS, MODELS.c.name, IMAGES, LATEST).select_from(EVERYTHING)


def rows(connection: Connection, query: Select[Any]) -> list[InspectionRow]:
    """Run such a query."""
    return [_row(row) for row in connection.execute(query)]


def _row(row: Row[Any]) -> InspectionRow:
    own = pick(row, INSPECTIONS)
    del own["image_sha256"]
    image = {name: value for name, value in pick(row, IMAGES).items() if name != "used_at"}
    said = pick(row, LATEST)
    feedback = FeedbackRow(**said) if said["id"] is not None else None
    model = row._mapping[MODELS.c.name]  # noqa: SLF001 - a public name
    return InspectionRow(**own, model=model, image=ImageRow(**image), feedback=feedback)


def add_feedback(
    connection: Connection, inspection_id: int, verdict: str, comment: str, who: str, now: datetime
) -> FeedbackRow:
    """Add what somebody says of an inspection.

    Raises:
        ConfigError: no such verdict.
        NotStoredError: no such inspection.
    """
    if verdict not in get_args(Verdict):
        raise unknown_name("verdict", verdict, get_args(Verdict))
    read(connection, inspection_id)
    values = {
        "inspection_id": inspection_id,
        "verdict": verdict,
        "comment": comment,
        "created_at": now,
        "created_by": who,
    }
    row = insert_row(connection, FEEDBACK, **values)
    found = connection.execute(select(FEEDBACK).where(FEEDBACK.c.id == row)).one()
    return FeedbackRow(**pick(found, FEEDBACK))
