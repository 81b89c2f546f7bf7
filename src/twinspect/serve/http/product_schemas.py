"""Response and request bodies of products, their photos, jobs and versions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from twinspect.serve.http.request_bodies import MAX_ID, Polygons, RequestBody
from twinspect.serve.http.schemas import InspectionAnswer, RefusedImage, RegionDrawn, ResponseBody

RoleName = Literal["good", "defect"]
MOST_MINUTES = 1440.0


class JobAnswer(ResponseBody):
    """A training or an export."""

    id: int
    product: str
    kind: Literal["fit", "update", "export"]
    state: Literal["waiting", "running", "paused", "done", "failed", "cancelled"]
    minutes: float | None = Field(description="the budget of a training")
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None
    stage: str = Field(description="what is done now, in words")
    share: float | None = Field(ge=0, le=1, description="of the job that is done, estimated")
    seconds_left: float | None = Field(description="estimated")
    error: str | None = Field(description="why it failed")
    version: int | None = Field(description="the number of the version that it makes or exports")


class JobsAnswer(ResponseBody):
    """Jobs."""

    jobs: list[JobAnswer]


class FeedbackCounts(ResponseBody):
    """Judged images of a product that are not among its photos."""

    good: int
    defect: int
    unsure: int
    false_alarms: int = Field(description="of the good ones, those that were called anomalous")


class ProductAnswer(ResponseBody):
    """What is inspected."""

    name: str
    created_at: datetime
    created_by: str
    good: int = Field(description="good photos")
    defects: int = Field(description="photos of defects, to test and to compare versions with")
    enough: bool = Field(description="whether a version can be trained")
    advice: str = Field(description="what to do next, in plain words")
    active: int | None = Field(description="the number of the version that decides")
    shadow: int | None = Field(description="the number of the version on trial")
    versions: int
    job: JobAnswer | None = Field(description="the job that is waiting, running or paused")
    region: RegionDrawn | None = Field(description="where the next trainings look; null for whole images")
    feedback: FeedbackCounts


class ProductsAnswer(ResponseBody):
    """All products."""

    products: list[ProductAnswer]


class DemoNames(ResponseBody):
    """Names of the photographs that come with the installation."""

    names: list[str]


class PhotoAnswer(ResponseBody):
    """An image that a product is learnt from, or tested with."""

    id: int
    name: str
    role: RoleName
    origin: Literal["upload", "inspection", "demo"]
    added_at: datetime
    added_by: str
    width: int
    height: int
    sha256: str
    inspection_id: int | None
    url: str
    thumbnail_url: str


class PhotosPage(ResponseBody):
    """Photos, newest first."""

    photos: list[PhotoAnswer]
    next: int | None = Field(description="`after` of the next page; null on the last one")


class PhotosAdded(ResponseBody):
    """What became of images that were to be photos."""

    photos: list[PhotoAnswer]
    duplicates: list[str] = Field(description="names of those that the product has already")
    refused: list[RefusedImage]


class FindingAnswer(ResponseBody):
    """Something odd about the photos."""

    kind: str
    text: str
    photos: list[int] = Field(description="ids of the photos that it is about")


class CheckAnswer(ResponseBody):
    """What is odd about the good photos."""

    findings: list[FindingAnswer]
    looked: int = Field(description="how many photos there are")


class RateAnswer(ResponseBody):
    """What a promise takes."""

    rate: float
    photos: int = Field(description="good photos in all")
    more: int = Field(description="than there are now")


class VersionAnswer(ResponseBody):
    """A model of a product."""

    number: int
    kind: Literal["fit", "update"]
    parent: int | None = Field(description="the version that it was updated from, or that decided then")
    created_at: datetime
    created_by: str
    active: bool
    shadow: bool
    method: str
    learnt: int = Field(description="good photos that it learnt from")
    images: int = Field(description="good photos that its threshold was set with")
    false_alarm_rate: float = Field(description="promised, in (0, 1)")
    threshold: float
    promise: str
    for_a_rate: list[RateAnswer]
    would_find: str | None
    usable: bool | None
    comparison: dict[str, Any] | None = Field(
        description="with its parent, on images that neither learnt from; null for a version without one"
    )
    report_url: str | None
    download_url: str
    exports: list[str]


class VersionsAnswer(ResponseBody):
    """The versions of a product, newest first."""

    versions: list[VersionAnswer]


class OtherDecision(ResponseBody):
    """What a version on trial says of an image."""

    score: float
    threshold: float
    p_value: float
    is_anomalous: bool


class Difference(ResponseBody):
    """An image on which a version on trial decided otherwise."""

    inspection: InspectionAnswer
    other: OtherDecision


class ShadowAnswer(ResponseBody):
    """A version on trial, compared with the active one."""

    version: int | None
    compared: int
    differ: list[Difference]


class ProductAsked(RequestBody):
    """A new product."""

    name: str = Field(min_length=1, max_length=64)
    demo: str | None = Field(default=None, max_length=64, description="fill it with these photographs")


class RoleAsked(RequestBody):
    """What a photo shows."""

    role: RoleName


class FromInspectionsAsked(RequestBody):
    """Inspected images that are to be photos."""

    inspection_ids: list[Annotated[int, Field(ge=1, le=MAX_ID)]] = Field(min_length=1, max_length=1000)
    role: RoleName


class ProductRegionAsked(RequestBody):
    """Where the next trainings look; both null for whole images."""

    look: Polygons | None = None
    ignore: Polygons | None = None


class TrainingAsked(RequestBody):
    """A training."""

    kind: Literal["fit", "update"] = "fit"
    minutes: float = Field(gt=0, le=MOST_MINUTES)


class ExportAsked(RequestBody):
    """An export."""

    to: Literal["onnx", "openvino"]


class ReasonAsked(RequestBody):
    """Why something is changed."""

    reason: str = Field(min_length=1, max_length=2000, description="for the audit log")


class ShadowAsked(RequestBody):
    """Which version is on trial; null for none."""

    version: int | None = Field(ge=1, le=MAX_ID)
