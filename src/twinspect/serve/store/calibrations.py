"""Calibrations: a log that only grows. The newest one of a model's weights is active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from twinspect.errors import ConfigError, NotStoredError
from twinspect.serve.store import audit_log, models
from twinspect.serve.store.records import CalibrationRow
from twinspect.serve.store.schema import CALIBRATIONS
from twinspect.serve.store.sql import check_reason, columns_of, insert_row

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from twinspect.serve.store.records import ModelRow, Proposal


def read(connection: Connection, calibration_id: int) -> CalibrationRow:
    """Return a calibration.

    Raises:
        NotStoredError: no calibration has this id.
    """
    row = connection.execute(select(CALIBRATIONS).where(CALIBRATIONS.c.id == calibration_id)).first()
    if row is None:
        raise NotStoredError(f"no calibration of id {calibration_id}")
    return CalibrationRow(**columns_of(row, CALIBRATIONS))


def of_model(connection: Connection, model_id: int) -> list[CalibrationRow]:
    """Return all calibrations of a model, of any weights, newest first."""
    query = select(CALIBRATIONS).where(CALIBRATIONS.c.model_id == model_id).order_by(CALIBRATIONS.c.id.desc())
    return [CalibrationRow(**columns_of(row, CALIBRATIONS)) for row in connection.execute(query)]


def apply(
    connection: Connection, model_id: int, proposal: Proposal, who: str, reason: str, now: datetime
) -> CalibrationRow:
    """Make a proposal's calibration the active one.

    Raises:
        ConfigError: no reason is given, the proposal is of another model, or another calibration or other weights
            have become active since it was made.
    """
    check_reason(who, reason)
    model = models.by_id(connection, model_id, lock=True)
    _check_not_outdated(model, proposal)
    record = models.to_json_record(proposal.calibration)
    action = "rate" if proposal.source == "rate" else "recalibrate"
    return _add(
        connection,
        model,
        proposal.source,
        action,
        proposal.parent_id,
        record,
        who,
        reason,
        now,
        proposal.to_record(),
    )


def roll_back(
    connection: Connection, model_id: int, calibration_id: int, who: str, reason: str, now: datetime
) -> CalibrationRow:
    """Make an earlier calibration the active one again, as a new row.

    Raises:
        ConfigError: no reason is given, it is of other weights, or it is active already.
        NotStoredError: the model has no such calibration.
    """
    check_reason(who, reason)
    model = models.by_id(connection, model_id, lock=True)
    earlier = read(connection, calibration_id)
    if earlier.model_id != model.id:
        raise NotStoredError(f"model {model.name!r} has no calibration of id {calibration_id}")
    if earlier.weights_sha256 != model.weights_sha256:
        raise ConfigError(
            f"calibration {calibration_id} holds scores of other weights or within another region, which say nothing "
            f"about what {model.name!r} scores now; choose one of the same, or put back the model folder of that "
            f"time (the last region of interest: twinspect calibrate {model.name}.twin --undo)"
        )
    if earlier.id == model.active_calibration_id:
        raise ConfigError(f"calibration {calibration_id} is the active one; there is nothing to roll back")
    details = {"from": model.active_calibration_id, "to": earlier.id}
    return _add(
        connection, model, "rollback", "rollback", earlier.id, earlier.record, who, reason, now, details
    )


def _check_not_outdated(model: ModelRow, proposal: Proposal) -> None:
    if proposal.model_id != model.id:
        raise ConfigError(f"the proposal is of model {proposal.model_id}, not of {model.name!r}")
    if (proposal.parent_id, proposal.weights_sha256) != (model.active_calibration_id, model.weights_sha256):
        raise ConfigError(
            f"{model.name!r} was recalibrated or replaced since the proposal was made; make a new proposal"
        )


def _add(
    connection: Connection,
    model: ModelRow,
    source: str,
    action: str,
    parent_id: int,
    record: dict[str, Any],
    who: str,
    reason: str,
    now: datetime,
    details: dict[str, Any],
) -> CalibrationRow:
    calibration_id = insert_row(
        connection,
        CALIBRATIONS,
        model_id=model.id,
        weights_sha256=model.weights_sha256,
        created_at=now,
        created_by=who,
        reason=reason,
        source=source,
        parent_id=parent_id,
        record=record,
    )
    details = {"calibration_id": calibration_id, **details}
    audit_log.add_entry(connection, now, who, action, reason, model_id=model.id, details=details)
    return read(connection, calibration_id)
