"""Bodies of requests and responses about sinks and sources, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from twinspect.serve.http.request_bodies import MAX_ID, RequestBody
from twinspect.serve.http.schemas import ResponseBody
from twinspect.serve.sinks.targets import AnyTarget

Results = Literal["all", "anomalous"]
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
