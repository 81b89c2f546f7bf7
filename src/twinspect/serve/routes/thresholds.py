"""Thresholds: proposing, applying and rolling back calibrations; nothing is ever overwritten."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from twinspect.errors import CalibrationError, ConfigError, NotStoredError
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http.context import BODY_ERRORS, Admin, ContextDep, Viewer, check_role, error_responses
from twinspect.serve.http.presenters import present_audit, present_calibration
from twinspect.serve.http.request_bodies import RecalibrationAsked, RollbackAsked
from twinspect.serve.http.schemas import (
    AuditAnswer,
    CalibrationAnswer,
    CalibrationsAnswer,
    ProposalAnswer,
    ProposedCalibration,
    RecalibrationAnswer,
)
from twinspect.serve.http.tokens import Actor
from twinspect.serve.routes.inspections import as_utc
from twinspect.serve.store import Proposal

ROUTER = APIRouter(prefix="/v1/models/{model}", tags=["thresholds"])


@ROUTER.post(
    "/recalibrate", responses=error_responses("unknown_model", "cannot_promise", "conflict", *BODY_ERRORS)
)
def recalibrate(
    context: ContextDep, actor: Viewer, model: str, body: RecalibrationAsked
) -> RecalibrationAnswer:
    """Set a new threshold from stored scores; nothing is scored again.

    With `dry_run` nothing changes, and the role `view` is enough. Otherwise a new calibration is added and becomes
    active; the previous one is kept, and the audit log says who did it and why.
    """
    worker = context.registry.get(model)
    if not body.dry_run:
        check_may_change(actor, body.reason)
    try:
        proposal = context.store.propose(
            worker.id, use=body.use, false_alarm_rate=body.false_alarm_rate, since=as_utc(body.since)
        )
    except (CalibrationError, ConfigError) as error:
        raise ApiError("cannot_promise", str(error)) from None
    if body.dry_run:
        return RecalibrationAnswer(proposal=_present_proposal(proposal), calibration=None)
    try:
        row = context.store.apply(worker.id, proposal, actor.name, body.reason)
    except ConfigError as error:
        raise ApiError("conflict", str(error)) from None
    worker.refresh_calibration()
    return RecalibrationAnswer(
        proposal=_present_proposal(proposal), calibration=present_calibration(row, active=True)
    )


@ROUTER.post(
    "/rollback", responses=error_responses("unknown_model", "unknown_calibration", "conflict", *BODY_ERRORS)
)
def roll_back(context: ContextDep, actor: Admin, model: str, body: RollbackAsked) -> CalibrationAnswer:
    """Activate an earlier calibration again, as a new record."""
    worker = context.registry.get(model)
    try:
        row = context.store.roll_back(worker.id, body.calibration_id, actor.name, body.reason)
    except NotStoredError as error:
        raise ApiError("unknown_calibration", str(error)) from None
    except ConfigError as error:
        raise ApiError("conflict", str(error)) from None
    worker.refresh_calibration()
    return present_calibration(row, active=True)


@ROUTER.get("/calibrations", responses=error_responses("unknown_model"))
def calibrations(context: ContextDep, _: Viewer, model: str) -> CalibrationsAnswer:
    """List every calibration that was ever active, newest first."""
    worker = context.registry.get(model)
    rows = context.store.calibrations(worker.id)
    return CalibrationsAnswer(
        calibrations=[present_calibration(row, active=row.id == worker.active.id) for row in rows]
    )


@ROUTER.get("/audit", responses=error_responses("unknown_model"))
def audit(
    context: ContextDep, actor: Viewer, model: str, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> AuditAnswer:
    """List who changed what, when and why, newest first; the model folder's path is for the role `admin`."""
    rows = context.store.audit(context.registry.get(model).id, limit)
    return AuditAnswer(entries=[present_audit(row, actor) for row in rows])


def check_may_change(actor: Actor, reason: str) -> None:
    """Refuse to change a calibration without the role for it, or without a reason.

    Raises:
        ApiError: ``role_too_low`` or ``invalid_request``.
    """
    check_role(actor, "admin")
    if not reason.strip():
        raise ApiError("invalid_request", "a reason is required, for instance 'new lamp'; or dry_run: true")


def _present_proposal(proposal: Proposal) -> ProposalAnswer:
    calibration = proposal.calibration
    return ProposalAnswer(
        use=proposal.use,
        calibration=ProposedCalibration(
            false_alarm_rate=calibration.false_alarm_rate,
            threshold=calibration.threshold,
            promise=calibration.promise(),
        ),
        images=proposal.images,
        confirmed=proposal.confirmed,
        recent=proposal.recent,
        changed=proposal.changed,
        to_anomalous=list(proposal.to_anomalous),
        to_good=list(proposal.to_good),
        warnings=list(proposal.warnings),
    )
