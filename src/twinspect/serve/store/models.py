"""Models that are or were served."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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
    """Find a model.

    Raises:
        NotStoredError: there is none of this name; says which there are.
    """
    found = _read(connection, MODELS.c.name == name)
    if not found:
        known = connection.execute(select(MODELS.c.name)).scalars()
        raise NotStoredError(str(unknown_name("model", name, known)))
    return found[0]


def by_id(connection: Connection, model_id: int, *, lock: bool = False) -> ModelRow:
    """Find a model, keeping others from changing it until the transaction ends if wanted.

    Raises:
        NotStoredError: there is none of this id.
    """
    if lock:  # before reading: what is read afterwards nobody can change
        connection.execute(select(MODELS.c.id).where(MODELS.c.id == model_id).with_for_update())
    found = _read(connection, MODELS.c.id == model_id)
    if not found:
        raise NotStoredError(f"no model of id {model_id}; GET /v1/models lists them")
    return found[0]


def read_all(connection: Connection) -> list[ModelRow]:
    """Give all, by name."""
    return _read(connection)


def register(
    connection: Connection,
    name: str,
    facts: dict[str, str],
    calibration: Calibration,
    now: datetime,
    who: str,
) -> ModelRow:
    """Note a model as its folder is now, and its calibration unless the folder showed the same last time."""
    insert = insert_into(connection, MODELS).values(name=name, added_at=now, **facts)
    # An update even where nothing differs: it holds the row until the transaction ends.
    named = insert.on_conflict_do_update(index_elements=[MODELS.c.name], set_=facts).returning(MODELS.c.id)
    model_id = int(connection.execute(named).scalar_one())
    weights, record = facts["weights_sha256"], plain(calibration)
    if _last_shown(connection, model_id, weights) != record:
        row = insert_row(
            connection,
            CALIBRATIONS,
            model_id=model_id,
            weights_sha256=weights,
            created_at=now,
            created_by=who,
            reason="as the model folder has it",
            source="bundle",
            parent_id=_newest(connection, model_id, weights),
            record=record,
        )
        details = {"calibration_id": row, **facts}
        audit_log.note(
            connection, now, who, "bundle", "as the model folder has it", model_id=model_id, details=details
        )
    return by_id(connection, model_id)


def plain(calibration: Calibration) -> dict[str, Any]:
    """Give a calibration's record as it comes back from JSON."""
    record: dict[str, Any] = json.loads(json.dumps(calibration.to_record(), allow_nan=False))
    return record


def _last_shown(connection: Connection, model_id: int, weights: str) -> dict[str, Any] | None:
    """Give what the folder with these weights had last time, whatever was decided here since."""
    shown = _of_weights(model_id, weights).where(CALIBRATIONS.c.source == "bundle")
    row = connection.execute(shown.with_only_columns(CALIBRATIONS.c.record).limit(1)).first()
    return None if row is None else dict(row[0])


def _newest(connection: Connection, model_id: int, weights: str) -> int | None:
    row = connection.execute(_of_weights(model_id, weights).limit(1)).first()
    return None if row is None else int(row[0])


def _of_weights(model_id: int, weights: str) -> Select[Any]:
    own = (CALIBRATIONS.c.model_id == model_id, CALIBRATIONS.c.weights_sha256 == weights)
    return select(CALIBRATIONS.c.id).where(*own).order_by(CALIBRATIONS.c.id.desc())


def _read(connection: Connection, *where: ColumnElement[bool]) -> list[ModelRow]:
    wanted = select(MODELS, _ACTIVE).where(*where).order_by(MODELS.c.name)
    return [ModelRow(**row._mapping) for row in connection.execute(wanted)]  # noqa: SLF001 - a public name
