"""Bodies of requests and responses about sinks and sources, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from twinspect.serve.http.request_bodies import MAX_ID, RequestBody
from twinspect.serve.http.schemas import QueueAnswer, ResponseBody
from twinspect.serve.sinks.targets import AnyTarget
from twinspect.serve.sources.origins import AnyOrigin

Results = Literal["all", "anomalous"]
Interval = Annotated[float, Field(ge=0.05, le=86_400)]
DeliveryState = Literal["waiting", "sent", "given_up"]


class SinkAsked(RequestBody):
    """A new sink."""

    target: AnyTarget
    results: Results = Field(
        default="all",
        description="anomalous: whatever was not found good, so also not inspectable and failed images",
    )
    per_second: float | None = Field(
        default=None, ge=0.001, le=1000, description="at most so many deliveries; null for no limit"
    )
    enabled: bool = Field(default=True, description="false: results are neither delivered nor kept for it")


class SinkChanged(RequestBody):
    """What is to be changed of a sink; what is left out stays."""

    target: AnyTarget | None = Field(
        default=None, description="all of it, of the same kind; secrets that are left out stay as they are"
    )
    results: Results = "all"
    per_second: float | None = Field(default=None, ge=0.001, le=1000)
    enabled: bool = True


class SinkStateAnswer(ResponseBody):
    """What a sink does now."""

    state: Literal["idle", "sending", "failing", "disabled"] = Field(
        description="sending: results wait, and nothing went wrong; failing: the last attempt did not succeed"
    )
    waiting: int = Field(description="results that are not delivered yet")
    given_up: int
    oldest: datetime | None = Field(description="since when the first of them waits")
    last_sent_at: datetime | None
    error: str | None = Field(
        description="of the last attempt; null once something was delivered since; "
        "only the role `admin` is told details"
    )
    next_attempt_at: datetime | None


class SinkAnswer(ResponseBody):
    """Where results of a model go."""

    id: int
    model: str
    kind: Literal["webhook", "mqtt", "folder"]
    address: str = Field(description="in short", examples=["plant.local"])
    settings: dict[str, Any] | None = Field(
        description="the target without its secrets; null for other roles than `admin`"
    )
    secrets: list[str] = Field(description="names of the secrets that are set")
    results: Results
    per_second: float | None
    enabled: bool
    created_at: datetime
    created_by: str
    state: SinkStateAnswer


class SinksAnswer(ResponseBody):
    """All sinks of a model."""

    sinks: list[SinkAnswer]


class SinkTestAnswer(ResponseBody):
    """What came of a test."""

    sent: bool
    error: str | None
    milliseconds: float


class DeliveryAnswer(ResponseBody):
    """One result for one sink."""

    id: int
    uuid: str = Field(description="the same one in every attempt")
    inspection_id: int
    state: DeliveryState
    attempts: int
    waiting_since: datetime
    next_at: datetime
    sent_at: datetime | None
    error: str | None = Field(
        description="of the last attempt that failed; only the role `admin` is told details"
    )


class DeliveriesAnswer(ResponseBody):
    """Deliveries, newest first."""

    deliveries: list[DeliveryAnswer]
    next: int | None = Field(description="`after` of the next page; null on the last page")


class DeliveriesAsked(RequestBody):
    """Which deliveries are meant."""

    deliveries: list[int] | None = Field(
        default=None, max_length=1000, description=f"ids, up to {MAX_ID}; null for all"
    )


class ChangedAnswer(ResponseBody):
    """How many deliveries were changed."""

    changed: int


class SourceAsked(RequestBody):
    """A new source."""

    name: str = Field(min_length=1, max_length=100, description="what people call it, and its images")
    origin: AnyOrigin
    interval: Interval | None = Field(
        default=None,
        description="seconds between two images; null: an image on each trigger, and 2 s for a folder",
    )
    category: str = Field(default="", max_length=200, description="what the images show, if calibrated on it")
    paused: bool = False


class SourceChanged(RequestBody):
    """What is to be changed of a source; what is left out stays."""

    name: str = Field(default="", min_length=1, max_length=100)
    origin: AnyOrigin | None = Field(
        default=None, description="all of it, of the same kind; a password that is left out stays as it is"
    )
    interval: Interval | None = None
    category: str = Field(default="", max_length=200)
    paused: bool = False


class SourceStateAnswer(ResponseBody):
    """What a source does now."""

    state: Literal["running", "triggered", "starting", "no_model", "failing", "paused"] = Field(
        description="triggered: it waits for a trigger; no_model: for the first version of its product"
    )
    last_frame_at: datetime | None = Field(description="of a camera")
    last_image_at: datetime | None = Field(description="when an image was last taken to be scored")
    error: str | None = Field(description="only the role `admin` is told details")
    width: int | None
    height: int | None


class SourceAnswer(ResponseBody):
    """Where images of a model come from."""

    id: int
    model: str
    name: str
    kind: Literal["folder", "usb", "rtsp"]
    settings: dict[str, Any] | None = Field(
        description="the origin without its password; null for other roles than `admin`"
    )
    secrets: list[str] = Field(description="names of the secrets that are set")
    category: str
    interval: float | None
    paused: bool
    created_at: datetime
    created_by: str
    state: SourceStateAnswer


class SourcesAnswer(ResponseBody):
    """All sources of a model."""

    sources: list[SourceAnswer]


class TriggerAsked(RequestBody):
    """Which camera is meant."""

    source: int | None = Field(default=None, ge=1, le=MAX_ID, description="its id; null for the only one")


class ServedVersionAnswer(ResponseBody):
    """What scores."""

    number: int | None = Field(description="of the product's version; null where it has none")
    weights_sha256: str
    calibration_id: int
    method: str
    runtime: str


class LastImageAnswer(ResponseBody):
    """The newest image that is finished."""

    inspection_id: int
    name: str
    scored_at: datetime
    verdict: Literal["good", "anomalous", "not_inspectable", "failed"]


class ModelHealthAnswer(ResponseBody):
    """Whether a model is inspecting, since when and by which version."""

    model: str
    light: Literal["green", "yellow", "red"] = Field(
        description="red: nothing is inspected; yellow: somebody should look at it"
    )
    reasons: list[str] = Field(description="why it is not green, in words, the worst first")
    is_inspecting: bool
    since: datetime | None = Field(description="since when this version scores here; null where none does")
    version: ServedVersionAnswer | None
    last_image: LastImageAnswer | None
    queue: QueueAnswer | None
    sinks: list[SinkAnswer]
    sources: list[SourceAnswer]
