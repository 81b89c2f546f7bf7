"""What the store gives out and takes in: plain frozen values, never tied to a database."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from twinspect.calibration.conformal import Calibration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Source = Literal["api", "web", "watch"]
State = Literal["queued", "done", "failed"]
Verdict = Literal["good", "defect", "unsure"]
Origin = Literal["bundle", "confirmed", "rate", "rollback"]


@dataclass(frozen=True)
class ModelRow:
    """A model that was served at least once.

    Attributes:
        name: by which clients ask for it; unique.
        path: its folder when it was last registered.
        weights_sha256: of what scores; scores of other weights are never compared with its own.
        method: how it works, as :attr:`twinspect.inference.base_detector.BaseDetector.method`.
        runtime: what it scores with: ``torch``, or the name of an export.
        active_calibration_id: the newest calibration of these weights.
        added_at: when it was first registered, UTC.
    """

    id: int
    name: str
    path: str
    weights_sha256: str
    method: str
    runtime: str
    active_calibration_id: int
    added_at: datetime


@dataclass(frozen=True)
class CalibrationRow:
    """A calibration as it decided, or decides; never changed and never removed.

    Attributes:
        weights_sha256: of the model whose scores it holds.
        source: ``bundle``, as the model folder had it; ``confirmed``, from feedback; ``rate``, the same scores at
            another rate; ``rollback``, an earlier one again.
        parent_id: for a rollback the calibration it repeats, otherwise the one that was active before, if any.
        record: :meth:`twinspect.calibration.conformal.Calibration.to_record`.
    """

    id: int
    model_id: int
    weights_sha256: str
    created_at: datetime
    created_by: str
    reason: str
    source: Origin
    parent_id: int | None
    record: dict[str, Any]

    @cached_property
    def calibration(self) -> Calibration:
        """What ranks and decides."""
        return Calibration.from_record(self.record)


@dataclass(frozen=True)
class ImageRow:
    """An image of the archive.

    Attributes:
        sha256: of its bytes, 64 lower-case hexadecimal digits.
        suffix: of its format, such as ``.png``.
        bytes: its size as a file.
        width: in pixels.
        height: in pixels.
        stored_at: when it was last written to the archive, UTC.
        removed_at: when retention removed the file, or ``None`` while it is there.
    """

    sha256: str
    suffix: str
    bytes: int
    width: int
    height: int
    stored_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True)
class FeedbackRow:
    """What somebody said of an inspection; the newest row of an inspection counts."""

    id: int
    inspection_id: int
    verdict: Verdict
    comment: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True)
class InspectionRow:
    """One image that was accepted for scoring.

    Attributes:
        model: the model's name.
        image: what the archive knows of it.
        name: as the client called it; never used as a path.
        category: what it shows, or empty.
        source_key: what a watched file is told apart by, or ``None``.
        state: ``queued`` until it is scored; ``failed`` where that was impossible, and ``error`` says why.
        scored_at: ``None`` while queued, like everything below it.
        weights_sha256: of what scored it.
        calibration_id: the calibration that decided.
        score: raw and unbounded, higher is more anomalous.
        p_value: its rank among the calibration's images, in (0, 1].
        is_anomalous: the decision.
        milliseconds: that scoring took.
        looks: what describes the image's appearance, by name, for drift.
        feedback: the newest, if there is any.
    """

    id: int
    model_id: int
    model: str
    image: ImageRow
    name: str
    category: str
    source: Source
    source_key: str | None
    state: State
    accepted_at: datetime
    scored_at: datetime | None
    weights_sha256: str | None
    calibration_id: int | None
    score: float | None
    p_value: float | None
    is_anomalous: bool | None
    milliseconds: float | None
    error: str | None
    looks: dict[str, float] | None
    feedback: FeedbackRow | None

    @property
    def image_sha256(self) -> str:
        """By what the archive names the image."""
        return self.image.sha256


@dataclass(frozen=True)
class Finished:
    """What became of a queued inspection.

    Attributes:
        id: of the inspection.
        error: why it could not be scored; then it is ``failed`` and needs no other value. A score that is no finite
            number fails likewise.
        looks: by name; values that are no finite numbers are left out.
    """

    id: int
    weights_sha256: str | None = None
    calibration_id: int | None = None
    score: float | None = None
    p_value: float | None = None
    is_anomalous: bool | None = None
    milliseconds: float | None = None
    error: str | None = None
    looks: Mapping[str, float] | None = None


@dataclass(frozen=True)
class AuditRow:
    """Something that somebody changed: who, when, why.

    Attributes:
        action: ``bundle``, ``recalibrate``, ``rate``, ``rollback``, ``retention``, or what a caller noted.
        details: plain JSON values.
    """

    id: int
    at: datetime
    who: str
    action: str
    model_id: int | None
    details: dict[str, Any]
    reason: str


Use = Literal["confirmed", "confirmed+calibration", "calibration"]


@dataclass(frozen=True)
class Proposal:
    """A calibration that could be applied, and what it would change.

    Attributes:
        model_id: of the model.
        parent_id: the calibration that is active now.
        weights_sha256: of the model, and of every score used.
        use: what it is made from.
        calibration: what would decide.
        confirmed: images used that were confirmed good.
        images: all images used.
        threshold: pooled, as raw score: now, then.
        false_alarm_rate: now, then.
        recent: how many of the newest decisions were looked at, at most :data:`RECENT`.
        to_anomalous: inspections among them that would become anomalous, newest last.
        to_good: inspections among them that would become good, newest last.
        warnings: sentences: why the promise may not hold.
    """

    model_id: int
    parent_id: int
    weights_sha256: str
    use: Use
    calibration: Calibration
    confirmed: int
    images: int
    threshold: tuple[float, float]
    false_alarm_rate: tuple[float, float]
    recent: int
    to_anomalous: tuple[int, ...]
    to_good: tuple[int, ...]
    warnings: tuple[str, ...]

    @property
    def source(self) -> Literal["confirmed", "rate"]:
        """What the calibration's row will say it came from."""
        return "rate" if self.use == "calibration" else "confirmed"

    @property
    def changed(self) -> int:
        """How many of the recent decisions would be another."""
        return len(self.to_anomalous) + len(self.to_good)

    def facts(self) -> dict[str, Any]:
        """Say what it does in plain JSON values, without the scores."""
        return {
            "use": self.use,
            "parent_id": self.parent_id,
            "confirmed": self.confirmed,
            "images": self.images,
            "threshold": list(self.threshold),
            "false_alarm_rate": list(self.false_alarm_rate),
            "promise": self.calibration.promise(),
            "recent": self.recent,
            "to_anomalous": len(self.to_anomalous),
            "to_good": len(self.to_good),
            "warnings": list(self.warnings),
        }
