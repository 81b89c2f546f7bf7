"""What the store takes and returns of products: plain frozen values, as those of :mod:`.records`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from twinspect.serve.store.records import ImageRow

Role = Literal["good", "defect"]
Origin = Literal["upload", "inspection", "demo"]
JobKind = Literal["fit", "update", "export"]
JobState = Literal["waiting", "running", "paused", "done", "failed", "cancelled"]
Asked = Literal["run", "pause", "cancel"]

UNDER_WAY: tuple[JobState, ...] = ("waiting", "running", "paused")
"""States of a job that has not ended."""


@dataclass(frozen=True)
class ProductRow:
    """What is inspected.

    Attributes:
        name: also that of the model that is served for it; unique.
        region: of interest, as the polygons of ``--roi``; ``None`` for whole images.
        active_version: the number of the version that decides; ``None`` before the first.
        shadow_version: the number of a version on trial, which scores what is inspected and decides nothing.
        hidden_at: when it was taken out of the list; ``None`` while it is there.
    """

    id: int
    name: str
    created_at: datetime
    created_by: str
    region: dict[str, Any] | None
    active_version: int | None
    shadow_version: int | None
    hidden_at: datetime | None


@dataclass(frozen=True)
class PhotoRow:
    """An image that a product is learnt from, or tested with.

    Attributes:
        image: its row in the archive.
        name: as the client called it; never used as a path.
        role: ``good`` to learn from and to calibrate with, ``defect`` to test and compare versions with.
        origin: where it came from.
        inspection_id: of the inspection that it was taken from, if any.
        is_false_alarm: whether that called it anomalous and the photo is good.
    """

    id: int
    product_id: int
    image: ImageRow
    name: str
    role: Role
    origin: Origin
    inspection_id: int | None
    added_at: datetime
    added_by: str
    is_false_alarm: bool = False


@dataclass(frozen=True)
class JobRow:
    """A training or an export.

    Attributes:
        product: the product's name.
        asked: what a person wants of it: that it runs, pauses or ends.
        minutes: the budget of a training.
        version: the number of the version that it makes or exports.
        parent: the number of the version that decided when it was asked for: an update begins with it.
        target: what is exported to.
        process: what the child process is told by, see :class:`twinspect.serve.products.child.ChildProcess`.
        error: why it failed.
    """

    id: int
    product_id: int
    product: str
    kind: JobKind
    state: JobState
    asked: Asked
    minutes: float | None
    version: int | None
    parent: int | None
    target: str | None
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None
    process: dict[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class VersionRow:
    """A model of a product.

    Attributes:
        number: counted from 1 for each product.
        parent: the number of the version that it was updated from, or that decided when it was made.
        figures: what is shown of it, plain JSON values.
    """

    id: int
    product_id: int
    number: int
    kind: Literal["fit", "update"]
    parent: int | None
    job_id: int
    created_at: datetime
    created_by: str
    weights_sha256: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class ShadowScore:
    """What a version on trial says of an image that another one decided on."""

    inspection_id: int
    score: float
    threshold: float
    p_value: float
    is_anomalous: bool


@dataclass(frozen=True)
class FeedbackImage:
    """An inspected image with a person's newest verdict on it."""

    inspection_id: int
    image_sha256: str
    name: str
    verdict: Literal["good", "defect", "unsure"]
    is_false_alarm: bool
