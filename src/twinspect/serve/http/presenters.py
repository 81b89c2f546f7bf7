"""From the store's records to response bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from twinspect.inference.part_scores import parts_of_rows
from twinspect.serve.http.schemas import (
    AuditEntry,
    CalibrationAnswer,
    ErrorDetail,
    FeedbackAnswer,
    ImageAnswer,
    InspectionAnswer,
    MapScale,
    ModelAnswer,
    PartAnswer,
    QueueAnswer,
    RefusedImage,
    RegionAnswer,
    RegionDrawn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.calibration.conformal import Calibration
    from twinspect.serve.api_errors import ApiError
    from twinspect.serve.http.context import Context
    from twinspect.serve.http.tokens import Actor
    from twinspect.serve.scoring.model_worker import ModelWorker
    from twinspect.serve.store import AuditRow, CalibrationRow, FeedbackRow, InspectionRow

_UNTOLD: Final = "it cannot be loaded; the role admin is told why"
_PATHS: Final = frozenset({"path"})
"""Details of audit entries that are paths of the server."""


def present_inspection(context: Context, row: InspectionRow) -> InspectionAnswer:
    """Describe an inspection."""
    calibration = _calibration_of(context, row)
    url = f"{context.root_path}/v1/inspections/{row.id}"
    has_image = row.image.removed_at is None
    return InspectionAnswer(
        id=row.id,
        model=row.model,
        name=row.name,
        category=row.category,
        source=row.source,
        state=row.state,
        accepted_at=row.accepted_at,
        scored_at=row.scored_at,
        score=row.score,
        p_value=row.p_value,
        is_anomalous=row.is_anomalous,
        threshold=calibration.threshold if calibration else None,
        in_words=None if row.not_inspectable else _in_words(row.p_value, calibration),
        calibration_id=row.calibration_id,
        width=row.image.width,
        height=row.image.height,
        image=ImageAnswer(sha256=row.image_sha256, url=f"{url}/image" if has_image else None),
        map_url=f"{url}/map" if has_image and row.state == "done" else None,
        feedback=present_feedback(row.feedback) if row.feedback else None,
        error=row.error,
        milliseconds=row.milliseconds,
        is_inspectable=not row.not_inspectable if row.state == "done" else None,
        not_inspectable=row.not_inspectable or None,
        notice=row.notice or None,
        regions=None if row.regions is None else [RegionAnswer(**region) for region in row.regions],
        map_scale=_map_scale(calibration),
    )


def present_part(
    part: str, answers: Sequence[InspectionAnswer | RefusedImage], calibration: Calibration
) -> PartAnswer:
    """Describe the part that all images of a request show; a refused one is an image that cannot be inspected."""
    (decided,) = parts_of_rows([_as_row(part, answer) for answer in answers])
    rate = calibration.false_alarm_rate if any(calibration.parts) else None
    record = {name: value for name, value in decided.to_record().items() if name != "category"}
    return PartAnswer(**record, false_alarm_rate=rate)


def _as_row(part: str, answer: InspectionAnswer | RefusedImage) -> dict[str, Any]:
    """Give what a decision on a part takes of an image."""
    row: dict[str, Any] = {"part": part, "category": "", "path": answer.name}
    if isinstance(answer, RefusedImage):
        none = dict.fromkeys(("score", "p_value", "is_anomalous", "inspectable"))
        return {**row, **none, "error": f"{answer.name}: {answer.error.message}"}
    return {
        **row,
        "score": answer.score,
        "p_value": answer.p_value,
        "is_anomalous": answer.is_anomalous,
        "inspectable": answer.is_inspectable,
        "error": answer.error
        or (f"{answer.name}: {answer.not_inspectable}" if answer.not_inspectable else ""),
    }


def present_feedback(row: FeedbackRow) -> FeedbackAnswer:
    """Describe feedback."""
    return FeedbackAnswer(
        verdict=row.verdict,
        comment=row.comment,
        by=row.created_by,
        at=row.created_at,
        region=present_region(row.region),
    )


def present_region(region: dict[str, Any] | None) -> RegionDrawn | None:
    """Describe a drawn region."""
    return None if region is None else RegionDrawn(look=region.get("look"), ignore=region.get("ignore"))


def present_refused(name: str, error: ApiError) -> RefusedImage:
    """Describe an image that was refused."""
    return RefusedImage(name=name, error=ErrorDetail(code=error.code, message=error.message))


def present_calibration(row: CalibrationRow, *, active: bool) -> CalibrationAnswer:
    """Describe a calibration."""
    calibration = row.calibration
    return CalibrationAnswer(
        id=row.id,
        source=row.source,
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
        parent_id=row.parent_id,
        active=active,
        kind=calibration.kind,
        false_alarm_rate=calibration.false_alarm_rate,
        threshold=calibration.threshold,
        images=len(calibration.scores),
        promise=calibration.promise(),
        map_range=list(calibration.map_range),
    )


def present_model(worker: ModelWorker, drift: str | None, actor: Actor) -> ModelAnswer:
    """Describe a model, with what the actor may see of it."""
    detector = worker.version.detector
    tried, calibration = detector.detectability_, worker.active.calibration
    return ModelAnswer(
        name=worker.name,
        method=detector.method_name,
        runtime=worker.version.runtime,
        teacher=_teacher(detector.about()["teacher"]),
        calibration=present_calibration(worker.active, active=True),
        categories=worker.categories,
        queue=QueueAnswer(length=worker.queue.length, limit=worker.queue.limit),
        error=worker.error if actor.sees_paths else worker.error and _UNTOLD,
        drift=drift,
        would_find=tried.in_words(calibration) if tried else None,
        usable=not tried.is_useless(calibration) if tried else None,
        looks_at=detector.scope_.describe() if detector.scope_ else None,
        reference_url=f"/v1/models/{quote(worker.name, safe='')}/reference" if worker.alignment else None,
        reference_size=worker.alignment.size[::-1] if worker.alignment else None,
    )


def present_audit(row: AuditRow, actor: Actor) -> AuditEntry:
    """Describe a change, with what the actor may see of it."""
    hidden = frozenset() if actor.sees_paths else _PATHS
    details = {name: value for name, value in row.details.items() if name not in hidden}
    return AuditEntry(
        id=row.id, at=row.at, who=row.who, action=row.action, reason=row.reason, details=details
    )


def _calibration_of(context: Context, row: InspectionRow) -> Calibration | None:
    if row.calibration_id is None:
        return None
    return context.calibration(row.calibration_id).of(row.category)


def _map_scale(calibration: Calibration | None) -> MapScale | None:
    if calibration is None:
        return None
    low, high = calibration.map_range
    of_maps = calibration.of_maps
    return MapScale(low=low, high=high, threshold=of_maps.threshold if of_maps else None)


def _in_words(p_value: float | None, calibration: Calibration | None) -> str | None:
    if p_value is None or calibration is None:
        return None
    return p_value_in_words(p_value, len(calibration.part_scores))


def _teacher(about: Any) -> str:
    """Name a teacher; an ensemble has several."""
    if isinstance(about, list):
        return ", ".join(dict.fromkeys(_teacher(teacher) for teacher in about))
    return str(about["name"] if isinstance(about, dict) else about or "")


def p_value_in_words(p_value: float, images: int) -> str:
    """State a p-value such that an operator understands it.

    Args:
        p_value: in (0, 1].
        images: how many good images the score is ranked among; the smallest p-value is 1 in ``images + 1``.

    >>> p_value_in_words(0.005, 199)
    'would be seen in at most 1 of 200 good parts'
    >>> p_value_in_words(0.02, 199), p_value_in_words(0.37, 199)
    ('would be seen in 1 of 50 good parts', 'would be seen in 37 of 100 good parts')
    """
    if round(p_value * (images + 1)) <= 1:
        return f"would be seen in at most 1 of {images + 1} good parts"
    if p_value < 0.1:
        return f"would be seen in 1 of {round(1 / p_value)} good parts"
    return f"would be seen in {round(100 * p_value)} of 100 good parts"
