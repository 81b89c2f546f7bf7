"""Response bodies as pydantic models: schemas of the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["good", "defect", "unsure"]
Source = Literal["api", "web", "watch"]
State = Literal["queued", "done", "failed"]


class ResponseBody(BaseModel):
    """A JSON value that the server sends."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(ResponseBody):
    """Why a request failed."""

    code: str = Field(description="a stable name", examples=["image_too_large"])
    message: str = Field(description="what was received, what is allowed, what to do")


class ErrorAnswer(ResponseBody):
    """The response to a request that failed."""

    error: ErrorDetail


class ScoreErrorAnswer(ErrorAnswer):
    """None of the images was accepted."""

    inspections: list[RefusedImage] = Field(default=[], description="each image with its reason")


class RefusedImage(ResponseBody):
    """An image of a request that was refused, beside others that were accepted."""

    name: str
    error: ErrorDetail


class CalibrationAnswer(ResponseBody):
    """A calibration, which ranks scores and sets the threshold."""

    id: int
    source: Literal["bundle", "confirmed", "rate", "rollback"]
    created_at: datetime
    created_by: str
    reason: str
    parent_id: int | None
    active: bool
    kind: Literal["split", "cv", "copies"]
    false_alarm_rate: float = Field(description="promised, in (0, 1)")
    threshold: float = Field(description="raw score above which an image is anomalous")
    images: int = Field(description="how many good images scores are ranked among")
    promise: str = Field(description="what is promised, and on what basis, in words")
    map_range: list[float] = Field(
        min_length=2, max_length=2, description="a good map's typical pixel and its peak"
    )


class QueueAnswer(ResponseBody):
    """The images that wait to be scored."""

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
    error: str | None = Field(
        description="why the newest version of its folder could not be loaded; only the role `admin` is told details"
    )
    drift: str | None = Field(description="in words, if production looks unlike the calibration")
    would_find: str | None = Field(
        description="in words, the size from which on it finds nine of ten synthetic defects of each kind, at the "
        "threshold in force; null where that was not measured"
    )
    usable: bool | None = Field(description="false where it finds 9 of 10 of no kind, however large")
    looks_at: str | None = Field(
        description="in words, the region of interest; null where it looks at whole images",
        examples=["62.5 % of each image"],
    )
    reference_url: str | None = Field(
        description="the image that others are aligned to, on which a region of interest is drawn; null where images "
        "are looked at as they are"
    )
    reference_size: tuple[int, int] | None = Field(description="its width and height before it was reduced")


class ModelsAnswer(ResponseBody):
    """All served models."""

    models: list[ModelAnswer]


class ImageAnswer(ResponseBody):
    """The image of an inspection."""

    sha256: str
    url: str | None = Field(description="of the original file; null once retention removed it")


class RegionDrawn(ResponseBody):
    """A region of interest, in shares of width and height."""

    look: list[list[tuple[float, float]]] | None
    ignore: list[list[tuple[float, float]]] | None


class FeedbackAnswer(ResponseBody):
    """A person's verdict on an inspection."""

    verdict: Verdict
    comment: str
    by: str
    at: datetime
    region: RegionDrawn | None = Field(description="where a defect was seen; null where nothing was drawn")


class RegionAnswer(ResponseBody):
    """What was found in an image; lengths in its pixels, x from the left and y from the top."""

    box: tuple[int, int, int, int] = Field(description="x, y, width, height")
    polygon: list[tuple[float, float]] = Field(description="its outline, holes left out")
    area_px: int
    area_mm2: float | None = Field(description="null: the server knows of no scale")
    extent_px: float = Field(
        description="the longer side of the smallest rectangle around it, in any direction"
    )
    extent_mm: float | None
    peak: float = Field(description="the highest value of the map in it")
    mean: float
    p_value: float = Field(
        description="the share of good images that would show such a peak anywhere, in (0, 1]"
    )
    centre: tuple[float, float]
    words: list[str] = Field(
        default=[], description="what is different there from good images; empty where that is not sure"
    )
    good_patch: tuple[int, int, int] | None = Field(
        default=None,
        description="what it is most like in the good images that the model keeps: number of the image, x, y; "
        "/v1/inspections/{number}/regions/{region} shows both",
    )


class MapScale(ResponseBody):
    """What the colours of an anomaly map stand for, in raw values."""

    low: float = Field(description="a good image's typical pixel, where the scale begins")
    high: float = Field(description="a good image's peak, in the middle of the scale")
    threshold: float | None = Field(
        description="above which a pixel is anomalous; null where that is not known"
    )


class InspectionAnswer(ResponseBody):
    """An accepted image."""

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
    is_inspectable: bool | None = Field(description="false where an image is neither good nor anomalous")
    not_inspectable: str | None = Field(examples=["far darker than any good image"])
    notice: str | None = Field(
        description="what to look at although the image passed",
        examples=["the map's peak is 1.4 times as high as any good image's, though the score is not"],
    )
    regions: list[RegionAnswer] | None = Field(
        description="what was found in the map, the highest peak first; null for a model that knows of no good "
        "image's map"
    )
    map_scale: MapScale | None = Field(default=None, description="null where nothing was scored")


class PartAnswer(ResponseBody):
    """The decision on the part that all images of a request show."""

    part: str
    images: int
    score: float | None = Field(description="the highest of its images', of the anomalous ones if any is")
    p_value: float | None = Field(description="how rare such a score is among good parts, in (0, 1]")
    is_anomalous: bool = Field(description="whether one of its images is")
    is_inspectable: bool = Field(description="false where it is neither good nor anomalous")
    worst_image: str = Field(description="the name of the image with that score")
    error: str = Field(description="why it is neither good nor anomalous")
    false_alarm_rate: float | None = Field(
        description="promised for good parts; null for a model that was calibrated on single images"
    )


class ScoreAnswer(ResponseBody):
    """The images of a request, in their order."""

    inspections: list[InspectionAnswer | RefusedImage]
    part: PartAnswer | None = Field(
        default=None, description="with the parameter part, once all images are scored"
    )


class InspectionsPage(ResponseBody):
    """Inspections, in the order asked for."""

    inspections: list[InspectionAnswer]
    next: int | None = Field(description="`after` of the next page; null on the last page")
    total: int = Field(description="how many match the filter in all")


class ScoresAnswer(ResponseBody):
    """Raw scores for a histogram."""

    calibration: list[float]
    recent: list[float]
    good: list[float] = Field(description="of images with the verdict good")
    defect: list[float]


class WhatIfAnswer(ResponseBody):
    """What another false-alarm rate would have decided about the newest images."""

    rate: float
    threshold: float = Field(description="the pooled one")
    thresholds: dict[str, float] = Field(description="of categories that have one of their own")
    recent: int = Field(description="how many images were considered")
    anomalous_recent: int
    changed: list[int] = Field(description="inspections that would have been decided differently")
    confirmed_good: int
    false_alarms_among_confirmed_good: int
    confirmed_defects: int
    missed_among_confirmed_defects: int


class Quantity(ResponseBody):
    """One quantity of a window, compared with the calibration."""

    p_value: float
    median: float
    reference: float = Field(
        description="median of the calibration's images, in the window's mix of categories"
    )
    noticeable: float | None = Field(
        description="shift that would have raised an alarm 9 times out of 10; null if not even the largest would"
    )


class WindowAnswer(ResponseBody):
    """Consecutive inspections, compared with the calibration."""

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
    anomaly_share_flagged: float | None = Field(
        description="smallest share of anomalous images that raises an alarm; null if not even all do"
    )
    alarmed: list[str] = Field(description="names of the flagged quantities, the most certain first")
    words: list[str] = Field(description="what each of them means")
    p_value: float


class Reference(ResponseBody):
    """The calibration's images."""

    count: int
    medians: dict[str, float]


class DriftVerdict(ResponseBody):
    """What all windows say together."""

    state: Literal["alarm", "earlier", "quiet", "untested", "waiting"] = Field(
        description="alarm: the newest window differs from the calibration; earlier: only one before it did; quiet: "
        "none did; untested: no change could have been noticed; waiting: no window is full"
    )
    since: int | None = Field(description="first inspection of the alarm that lasts")
    text: str


class DriftAnswer(ResponseBody):
    """Whether production still looks like the calibration's images."""

    false_alarm_rate: float = Field(description="share of windows of unchanged production that are flagged")
    window: int
    features: list[str]
    windows: list[WindowAnswer]
    reference: Reference
    note: str = Field(description="what could not be compared, and why")
    not_inspectable: int = Field(
        description="images since the first window, or ever without one, that could not be inspected: in no window"
    )
    verdict: DriftVerdict


class ProposedCalibration(ResponseBody):
    """The calibration that would become active."""

    false_alarm_rate: float
    threshold: float
    promise: str


class ProposalAnswer(ResponseBody):
    """The calibration that would result, and its effects."""

    use: Literal["confirmed", "confirmed+calibration", "calibration"]
    calibration: ProposedCalibration
    images: int = Field(description="good images used")
    confirmed: int = Field(description="of these, confirmed by feedback")
    recent: int = Field(description="how many of the newest decisions were considered")
    changed: int = Field(description="of these, how many would change")
    to_anomalous: list[int] = Field(description="inspections among them that would become anomalous")
    to_good: list[int] = Field(description="inspections among them that would become good")
    warnings: list[str] = Field(description="why the promise may not hold")


class RecalibrationAnswer(ResponseBody):
    """A proposal, and the new calibration if it was applied."""

    proposal: ProposalAnswer
    calibration: CalibrationAnswer | None


class GoodImagesAnswer(ResponseBody):
    """The good images that are scored anew, and the new calibration if they were."""

    images: int = Field(description="judged good, still in the archive, and not learnt from")
    false_alarm_rate: float
    looks_at: str | None = Field(
        description="in words, where the model looks from then on; null for whole images"
    )
    warnings: list[str] = Field(
        description="why the promise may not hold, which images were left out, and whether an export stops scoring"
    )
    calibration: CalibrationAnswer | None


class CalibrationsAnswer(ResponseBody):
    """Every calibration of a model, newest first."""

    calibrations: list[CalibrationAnswer]


class AuditEntry(ResponseBody):
    """A change, with its author and reason."""

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
    """The actor behind a request, from the token file."""

    name: str
    role: Literal["view", "inspect", "train", "admin"] = Field(description="each includes the previous ones")
    studio: bool = Field(description="whether this server makes and trains products")


class HealthAnswer(ResponseBody):
    """Whether the server is alive, or accepts images."""

    status: Literal["ok", "stopping"]


ScoreErrorAnswer.model_rebuild()
