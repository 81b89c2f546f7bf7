"""Models that are or were served."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from twinspect.errors import NotStoredError, unknown_name
from twinspect.serve.store import audit_log
from twinspect.serve.store.records import ModelRow
from twinspect.serve.store.schema import CALIBRATIONS, MODELS
from twinspect.serve.store.sql import insert_into, insert_row

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from twinspect.calibration.conformal import Calibration

SELF: Final = "twinspect"
"""Who registers models."""
FROM_FOLDER: Final = "as the model folder has it"
"""The reason for a calibration that nobody activated here."""

_ACTIVE = (
    select(func.max(CALIBRATIONS.c.id))
    .where(
        CALIBRATIONS.c.model_id == MODELS.c.id,
        CALIBRATIONS.c.weights_sha256 == MODELS.c.weights_sha256,
    )
    .correlate(MODELS)
    .scalar_subquery()
    .label("active_calibration_id")
)


def by_name(connection: Connection, name: str) -> ModelRow:
    """Return a model.

    Raises:
        NotStoredError: no model has this name; the message lists those that exist.
    """
    models = _read(connection, MODELS.c.name == name)
    if not models:
        known = connection.execute(select(MODELS.c.name)).scalars()
        raise NotStoredError(str(unknown_name("model", name, known)))
    return models[0]


def by_id(connection: Connection, model_id: int, *, lock: bool = False) -> ModelRow:
    """Return a model; with ``lock``, nobody else can change it until the transaction ends.

    Raises:
        NotStoredError: no model has this id.
    """
    if lock:  # before reading: what is read afterwards nobody can change
        connection.execute(select(MODELS.c.id).where(MODELS.c.id == model_id).with_for_update())
    models = _read(connection, MODELS.c.id == model_id)
    if not models:
        raise NotStoredError(f"no model of id {model_id}; GET /v1/models lists them")
    return models[0]


def read_all(connection: Connection) -> list[ModelRow]:
    """Return all models, by name."""
    return _read(connection)


def register(
    connection: Connection,
    name: str,
    facts: dict[str, str],
    calibration: Calibration,
    now: datetime,
    who: str,
    reason: str,
) -> ModelRow:
    """Record a model as its folder is now, and its calibration unless the folder had the same one last time."""
    insert = insert_into(connection, MODELS).values(name=name, added_at=now, **facts)
    # An update even where nothing differs: it locks the row until the transaction ends.
    upsert = insert.on_conflict_do_update(index_elements=[MODELS.c.name], set_=facts).returning(MODELS.c.id)
    model_id = int(connection.execute(upsert).scalar_one())
    weights, record = facts["weights_sha256"], to_json_record(calibration)
    if _last_from_folder(connection, model_id, weights) != record:
        calibration_id = insert_row(
            connection,
            CALIBRATIONS,
            model_id=model_id,
            weights_sha256=weights,
            created_at=now,
            created_by=who,
            reason=reason,
            source="bundle",
            parent_id=_newest_calibration(connection, model_id, weights),
            record=record,
        )
        details = {"calibration_id": calibration_id, **facts}
        audit_log.add_entry(connection, now, who, "bundle", reason, model_id=model_id, details=details)
    return by_id(connection, model_id)


def to_json_record(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration's record as JSON gives it back, to compare it with a stored one."""
    record: dict[str, Any] = json.loads(json.dumps(calibration.to_record(), allow_nan=False))
    return record


def _last_from_folder(connection: Connection, model_id: int, weights: str) -> dict[str, Any] | None:
    """Return what the folder with these weights had last time, whichever calibration was activated here since."""
    from_folder = _select_calibrations(model_id, weights).where(CALIBRATIONS.c.source == "bundle")
    row = connection.execute(from_folder.with_only_columns(CALIBRATIONS.c.record).limit(1)).first()
    return None if row is None else dict(row[0])


def _newest_calibration(connection: Connection, model_id: int, weights: str) -> int | None:
    row = connection.execute(_select_calibrations(model_id, weights).limit(1)).first()
    return None if row is None else int(row[0])


def _select_calibrations(model_id: int, weights: str) -> Select[Any]:
    where = (CALIBRATIONS.c.model_id == model_id, CALIBRATIONS.c.weights_sha256 == weights)
    return select(CALIBRATIONS.c.id).where(*where).order_by(CALIBRATIONS.c.id.desc())


def _read(connection: Connection, *where: ColumnElement[bool]) -> list[ModelRow]:
    query = select(MODELS, _ACTIVE).where(*where).order_by(MODELS.c.name)
    return [ModelRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - a public name
