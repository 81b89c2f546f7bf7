"""What the server answers, as models: they are the OpenAPI document's schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["good", "defect", "unsure"]
Source = Literal["api", "web", "watch"]
State = Literal["queued", "done", "failed"]


class ResponseBody(BaseModel):
    """Something that is sent back."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(ResponseBody):
    """Why something was not done."""

    code: str = Field(description="a stable name", examples=["image_too_large"])
    message: str = Field(description="what came; what is allowed; what to do")


class ErrorAnswer(ResponseBody):
    """An answer other than the one asked for."""

    error: ErrorDetail


class ScoreErrorAnswer(ErrorAnswer):
    """None of the images could be taken."""

    inspections: list[RefusedImage] = Field(default=[], description="each image and its own reason")


class RefusedImage(ResponseBody):
    """An image of a request that was not taken, beside others that were."""

    name: str
    error: ErrorDetail


class CalibrationAnswer(ResponseBody):
    """A calibration: what ranks scores and decides."""

    id: int
    source: Literal["bundle", "confirmed", "rate", "rollback"]
    created_at: datetime
    created_by: str
    reason: str
    parent_id: int | None
    active: bool
    kind: Literal["split", "cv"]
    false_alarm_rate: float = Field(description="promised, in (0, 1)")
    threshold: float = Field(description="raw score above which an image is anomalous")
    images: int = Field(description="good images it ranks among")
    promise: str = Field(description="what is promised, and on what ground, in words")
    map_range: tuple[float, float] = Field(description="a good map's typical pixel and its peak")


class QueueAnswer(ResponseBody):
    """How much waits to be scored."""

    length: int
    limit: int


class ModelAnswer(ResponseBody):
    """A served model."""

    name: str
    method: str
    runtime: str
    teacher: str
    calibration: CalibrationAnswer
    categories: list[str]
    queue: QueueAnswer
    error: str | None = Field(description="why the newest version of its folder could not be loaded")
    drift: str | None = Field(description="in words, if production looks unlike the calibration")


class ModelsAnswer(ResponseBody):
    """All served models."""

    models: list[ModelAnswer]


class ImageAnswer(ResponseBody):
    """Where the image of an inspection is."""

    sha256: str
    url: str | None = Field(description="of its original bytes; null once retention removed them")


class FeedbackAnswer(ResponseBody):
    """What somebody said of an inspection."""

    verdict: Verdict
    comment: str
    by: str
    at: datetime


class InspectionAnswer(ResponseBody):
    """One image that was accepted."""

    id: int
    model: str
    name: str = Field(description="as the client called it")
    category: str
    source: Source
    state: State
    accepted_at: datetime
    scored_at: datetime | None
    score: float | None = Field(description="raw, unbounded, higher is more anomalous")
    p_value: float | None = Field(description="how rare such a score is among good images, in (0, 1]")
    is_anomalous: bool | None
    threshold: float | None = Field(description="of the calibration that decided")
    in_words: str | None = Field(examples=["would be seen in 1 of 200 good parts"])
    calibration_id: int | None
    width: int
    height: int
    image: ImageAnswer
    map_url: str | None
    feedback: FeedbackAnswer | None
    error: str | None
    milliseconds: float | None


class ScoreAnswer(ResponseBody):
    """What became of the images of a request, in their order."""

    inspections: list[InspectionAnswer | RefusedImage]


class InspectionsPage(ResponseBody):
    """Inspections, newest first."""

    inspections: list[InspectionAnswer]
    next: int | None = Field(description="what to give as `after` for the next page; null on the last")
    total: int = Field(description="how many fit the filter in all")


class ScoresAnswer(ResponseBody):
    """Raw scores for a histogram."""

    calibration: list[float]
    recent: list[float]
    good: list[float] = Field(description="of images that people called good")
    defect: list[float]


class WhatIfAnswer(ResponseBody):
    """What another false-alarm rate would have decided about the newest images."""

    rate: float
    threshold: float = Field(description="the pooled one")
    thresholds: dict[str, float] = Field(description="of categories that have one of their own")
    recent: int = Field(description="images that were looked at")
    anomalous_recent: int
    changed: list[int] = Field(description="inspections that would have been decided otherwise")
    confirmed_good: int
    false_alarms_among_confirmed_good: int
    confirmed_defects: int
    missed_among_confirmed_defects: int


class Quantity(ResponseBody):
    """One quantity of a window beside the calibration."""

    p_value: float
    median: float
    reference: float = Field(
        description="median of the calibration's images, in the window's mix of categories"
    )


class WindowAnswer(ResponseBody):
    """So many inspections in a row, beside the calibration."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)

    start: datetime = Field(alias="from")
    to: datetime
    first: int = Field(description="id of the first inspection")
    last: int
    count: int
    score: Quantity | None
    looks: dict[str, Quantity]
    anomaly_share: float | None
    anomaly_p_value: float
    alarmed: list[str] = Field(description="names of what is flagged, the most certain first")
    words: list[str] = Field(description="what each of them means")
    p_value: float


class Reference(ResponseBody):
    """The calibration's images."""

    count: int
    medians: dict[str, float]


class DriftAnswer(ResponseBody):
    """Whether production still looks like what the threshold was set by."""

    false_alarm_rate: float = Field(description="share of windows of unchanged production that are flagged")
    window: int
    features: list[str]
    windows: list[WindowAnswer]
    reference: Reference
    note: str = Field(description="what could not be compared, and why")


class ProposedCalibration(ResponseBody):
    """What would decide."""

    false_alarm_rate: float
    threshold: float
    promise: str


class ProposalAnswer(ResponseBody):
    """The calibration that would result, and what it would change."""

    use: Literal["confirmed", "confirmed+calibration", "calibration"]
    calibration: ProposedCalibration
    images: int = Field(description="good images used")
    confirmed: int = Field(description="of these, confirmed by feedback")
    recent: int = Field(description="newest decisions that were looked at")
    changed: int = Field(description="of these, would be decided otherwise")
    to_anomalous: list[int] = Field(description="inspections among them that would become anomalous")
    to_good: list[int] = Field(description="inspections among them that would become good")
    warnings: list[str] = Field(description="why the promise may not hold")


class RecalibrationAnswer(ResponseBody):
    """A proposal, and the calibration it became if it was applied."""

    proposal: ProposalAnswer
    calibration: CalibrationAnswer | None


class CalibrationsAnswer(ResponseBody):
    """Every calibration of a model, newest first."""

    calibrations: list[CalibrationAnswer]


class AuditEntry(ResponseBody):
    """Something that somebody changed."""

    id: int
    at: datetime
    who: str
    action: str
    reason: str
    details: dict[str, Any]


class AuditAnswer(ResponseBody):
    """Who changed what, when and why, newest first."""

    entries: list[AuditEntry]


class FolderAnswer(ResponseBody):
    """A folder that is watched."""

    name: str
    model: str


class FoldersAnswer(ResponseBody):
    """All watched folders."""

    folders: list[FolderAnswer]


class ActorAnswer(ResponseBody):
    """Who asks, as the token file has it."""

    name: str
    role: Literal["view", "inspect", "admin"] = Field(description="each may do what those before it may")


class HealthAnswer(ResponseBody):
    """Whether the server lives, or takes images."""

    status: Literal["ok", "stopping"]


class RequestBody(BaseModel):
    """Something that a client sends."""

    model_config = ConfigDict(extra="forbid")


class FeedbackAsked(RequestBody):
    """What somebody says of an inspection."""

    inspection_id: int = Field(ge=1, le=2**62)
    verdict: Verdict
    comment: str = Field(default="", max_length=2000)


class RecalibrationAsked(RequestBody):
    """How to recalibrate."""

    use: Literal["confirmed", "confirmed+calibration", "calibration"] = Field(
        description="scores of images that people called good, the calibration's own, or both"
    )
    false_alarm_rate: float | None = Field(default=None, gt=0, lt=1)
    since: datetime | None = Field(default=None, description="leave out what was confirmed before")
    reason: str = Field(default="", max_length=2000, description="for the audit trail; needed unless dry_run")
    dry_run: bool = Field(default=False, description="only say what would change")


class RollbackAsked(RequestBody):
    """Which calibration to take up again."""

    calibration_id: int = Field(ge=1, le=2**62)
    reason: str = Field(min_length=1, max_length=2000, description="for the audit trail")


ScoreErrorAnswer.model_rebuild()
