"""Inspections: accepted once, finished once, and the feedback on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

from sqlalchemy import case, func, select, update

from twinspect.errors import NotStoredError, unknown_name
from twinspect.serve.store.records import FeedbackRow, ImageRow, InspectionRow, Verdict
from twinspect.serve.store.schema import FEEDBACK, IMAGES, INSPECTIONS, MODELS
from twinspect.serve.store.sql import columns_of, insert_into, insert_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from twinspect.serve.store.archive import Archive, StoredImage
    from twinspect.serve.store.records import Finished

LATEST = FEEDBACK.alias("latest")
"""The newest feedback on an inspection, in :data:`ALL_TABLES`."""
_OTHER = FEEDBACK.alias("other")
_NEWEST = (
    select(func.max(_OTHER.c.id))
    .where(_OTHER.c.inspection_id == INSPECTIONS.c.id)
    .correlate(INSPECTIONS)
    .scalar_subquery()
)
WITH_FEEDBACK = INSPECTIONS.outerjoin(LATEST, LATEST.c.id == _NEWEST)
"""Inspections, each with its newest feedback."""
WAS_INSPECTABLE = func.coalesce(INSPECTIONS.c.not_inspectable, "") == ""
"""The image could be inspected; what an earlier version decided counts as such."""
ALL_TABLES = WITH_FEEDBACK.join(MODELS, MODELS.c.id == INSPECTIONS.c.model_id).join(
    IMAGES, IMAGES.c.sha256 == INSPECTIONS.c.image_sha256
)


def accept(
    connection: Connection, archive: Archive, image: StoredImage, now: datetime, values: dict[str, Any]
) -> int | None:
    """Add a queued row, and one of the image.

    Returns:
        Its id; ``None`` if its source key is known already.
    """
    if _is_known(connection, values["model_id"], values["source_key"]):
        return None
    touch_image(connection, image, now)
    archive.restore(image)  # the row is locked now, so retention removes nothing from here on
    insert = insert_into(connection, INSPECTIONS).values(
        image_sha256=image.sha256, state="queued", accepted_at=now, **values
    )
    once = insert.on_conflict_do_nothing(index_elements=[INSPECTIONS.c.model_id, INSPECTIONS.c.source_key])
    return connection.execute(once.returning(INSPECTIONS.c.id)).scalar()


def _is_known(connection: Connection, model_id: int, source_key: str | None) -> bool:
    same = (INSPECTIONS.c.model_id == model_id, INSPECTIONS.c.source_key == source_key)
    return (
        source_key is not None
        and connection.execute(select(INSPECTIONS.c.id).where(*same)).first() is not None
    )


def source_keys(connection: Connection, model_id: int, *, anomalous: bool) -> set[str]:
    """Return every source key of a model, or those of anomalous images only."""
    keys = select(INSPECTIONS.c.source_key).where(
        INSPECTIONS.c.model_id == model_id, INSPECTIONS.c.source_key.is_not(None)
    )
    if anomalous:
        keys = keys.where(INSPECTIONS.c.is_anomalous)
    return set(connection.execute(keys).scalars())


def touch_image(connection: Connection, image: StoredImage, now: datetime) -> None:
    """Record that an image is in use, and lock its row until the transaction ends."""
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


def finish(connection: Connection, results: Sequence[Finished], now: datetime) -> list[int]:
    """Write the results of queued rows; a finished row stays as it is.

    Returns:
        The ids of those that were still queued.
    """
    written = []
    for result in sorted(results, key=lambda result: result.id):  # in one order, so that nothing deadlocks
        queued = update(INSPECTIONS).where(INSPECTIONS.c.id == result.id, INSPECTIONS.c.state == "queued")
        if connection.execute(queued.values(scored_at=now, **_values(result))).rowcount:
            written.append(result.id)
    return written


def _values(result: Finished) -> dict[str, Any]:
    error = result.error
    if error is None and (result.score is None or not math.isfinite(result.score)):
        error = f"the model's score is not a finite number: {result.score}"
    if error is not None:
        return {"state": "failed", "error": error, "milliseconds": result.milliseconds}
    return {
        "state": "done",
        "weights_sha256": result.weights_sha256,
        "calibration_id": result.calibration_id,
        "score": float(result.score or 0.0),
        "p_value": result.p_value,
        "is_anomalous": result.is_anomalous,
        "not_inspectable": result.not_inspectable,
        "notice": result.notice,
        "regions": None if result.regions is None else list(result.regions),
        "milliseconds": result.milliseconds,
        "statistics": _finite_values(result.statistics),
    }


def _finite_values(statistics: Mapping[str, float] | None) -> dict[str, float] | None:
    """Leave out what JSON has no numbers for."""
    if statistics is None:
        return None
    return {name: float(value) for name, value in statistics.items() if math.isfinite(value)}


def read(connection: Connection, inspection_id: int) -> InspectionRow:
    """Return an inspection.

    Raises:
        NotStoredError: no inspection has this id.
    """
    rows = fetch(connection, select_inspections().where(INSPECTIONS.c.id == inspection_id))
    if not rows:
        raise NotStoredError(f"no inspection of id {inspection_id}; GET /v1/inspections lists them")
    return rows[0]


def queued(connection: Connection, model_id: int) -> list[InspectionRow]:
    """Return the queued inspections of a model, oldest first."""
    where: tuple[ColumnElement[bool], ...] = (
        INSPECTIONS.c.model_id == model_id,
        INSPECTIONS.c.state == "queued",
    )
    return fetch(connection, select_inspections().where(*where).order_by(INSPECTIONS.c.id))


def last_finished(connection: Connection, model_id: int) -> InspectionRow | None:
    """Return the newest inspection of a model that is finished."""
    finished = (INSPECTIONS.c.model_id == model_id, INSPECTIONS.c.state != "queued")
    query = select_inspections().where(*finished).order_by(INSPECTIONS.c.id.desc()).limit(1)
    return next(iter(fetch(connection, query)), None)


def select_inspections() -> Select[Any]:
    """Begin a query for :func:`fetch`."""
    return select(INSPECTIONS, MODELS.c.name, IMAGES, LATEST).select_from(ALL_TABLES)


def fetch(connection: Connection, query: Select[Any]) -> list[InspectionRow]:
    """Run a query that begins with :func:`select_inspections`."""
    return [_to_record(row) for row in connection.execute(query)]


def _to_record(row: Row[Any]) -> InspectionRow:
    columns = columns_of(row, INSPECTIONS)
    del columns["image_sha256"]
    image = {name: value for name, value in columns_of(row, IMAGES).items() if name != "used_at"}
    latest = columns_of(row, LATEST)
    feedback = FeedbackRow(**latest) if latest["id"] is not None else None
    model = row._mapping[MODELS.c.name]  # noqa: SLF001 - a public name
    return InspectionRow(**columns, model=model, image=ImageRow(**image), feedback=feedback)


def add_feedback(
    connection: Connection,
    inspection_id: int,
    verdict: str,
    comment: str,
    who: str,
    now: datetime,
    region: Mapping[str, Any] | None = None,
) -> FeedbackRow:
    """Add a person's verdict on an inspection.

    Raises:
        ConfigError: the verdict does not exist.
        NotStoredError: no inspection has this id.
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
        "region": None if region is None else dict(region),
    }
    feedback_id = insert_row(connection, FEEDBACK, **values)
    row = connection.execute(select(FEEDBACK).where(FEEDBACK.c.id == feedback_id)).one()
    return FeedbackRow(**columns_of(row, FEEDBACK))
