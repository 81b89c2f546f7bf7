"""What the store takes and returns about where images come from and where results go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime

SinkKind = Literal["webhook", "mqtt", "folder"]
SourceKind = Literal["folder", "usb", "rtsp"]
Results = Literal["all", "anomalous"]
DeliveryState = Literal["waiting", "sent", "given_up"]


@dataclass(frozen=True)
class SinkRow:
    """Where the results of a model go.

    Attributes:
        model: the name of the model; there need not be one of that name yet.
        settings: plain JSON values, by kind.
        secrets: likewise; told to nobody.
        results: ``anomalous`` for whatever was not found good, so also what could not be inspected or scored.
        per_second: at most so many deliveries; ``None`` for no limit.
        enabled: whether results are put into the outbox, and delivered.
        removed_at: when it was removed; its deliveries are kept.
    """

    id: int
    model: str
    kind: SinkKind
    settings: dict[str, Any]
    secrets: dict[str, Any]
    results: Results
    per_second: float | None
    enabled: bool
    created_at: datetime
    created_by: str
    removed_at: datetime | None


@dataclass(frozen=True)
class SourceRow:
    """Where images of a model come from.

    Attributes:
        model: the name of the model; there need not be one of that name yet.
        name: what people call it, and its images.
        settings: plain JSON values, by kind.
        secrets: likewise; told to nobody.
        category: what the images show; empty if there is only one product.
        interval: seconds between two images, or two looks at a folder; ``None`` for an image only on a trigger.
        paused: whether it takes no images for now.
        removed_at: when it was removed.
    """

    id: int
    model: str
    name: str
    kind: SourceKind
    settings: dict[str, Any]
    secrets: dict[str, Any]
    category: str
    interval: float | None
    paused: bool
    created_at: datetime
    created_by: str
    removed_at: datetime | None


@dataclass(frozen=True)
class DeliveryRow:
    """One result for one sink.

    Attributes:
        uuid: tells a receiver which deliveries are the same one, sent again.
        state: ``waiting`` until it is ``sent``, or ``given_up`` after a long time or by a person.
        attempts: how many were begun.
        waiting_since: when the result was there, or when somebody asked to send it again.
        next_at: not before this time.
        error: of the last attempt that failed.
    """

    id: int
    uuid: str
    sink_id: int
    inspection_id: int
    state: DeliveryState
    attempts: int
    waiting_since: datetime
    next_at: datetime
    sent_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class OutboxState:
    """What is in the outbox for one sink.

    Attributes:
        waiting: how many deliveries.
        given_up: how many.
        oldest: since when the first of them waits.
        next_at: not before this time, one of them is tried.
        last_sent_at: when the last delivery that was sent arrived.
    """

    waiting: int
    given_up: int
    oldest: datetime | None
    next_at: datetime | None
    last_sent_at: datetime | None
