"""What the store takes and returns: plain frozen values, never bound to a database connection."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from twinspect.calibration.conformal import Calibration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

Source = Literal["api", "web", "watch"]
State = Literal["queued", "done", "failed"]
Verdict = Literal["good", "defect", "unsure"]
CalibrationSource = Literal["bundle", "confirmed", "rate", "rollback"]


@dataclass(frozen=True)
class ModelRow:
    """A model that was served at least once.

    Attributes:
        name: what clients call it; unique.
        path: its folder when it was last registered.
        weights_sha256: of the weights that score; scores of different weights are never compared.
        method: the name of its method, see :attr:`twinspect.inference.base_detector.BaseDetector.method`.
        runtime: ``torch``, or the name of the export that scores.
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
    """A calibration, active or past; never changed and never removed.

    Attributes:
        weights_sha256: of the model whose scores it holds.
        source: ``bundle``, from the model folder; ``confirmed``, from feedback; ``rate``, the same scores at
            another rate; ``rollback``, a repeated earlier one.
        parent_id: for a rollback the calibration it repeats, otherwise the one active before, if any.
        record: :meth:`twinspect.calibration.conformal.Calibration.to_record`.
    """

    id: int
    model_id: int
    weights_sha256: str
    created_at: datetime
    created_by: str
    reason: str
    source: CalibrationSource
    parent_id: int | None
    record: dict[str, Any]

    @cached_property
    def calibration(self) -> Calibration:
        """The calibration itself."""
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
        removed_at: when retention removed the file; ``None`` while it exists.
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
    """A person's verdict on an inspection; the newest one of an inspection counts.

    Attributes:
        region: where the person saw a defect, as the polygons of ``--roi``; ``None`` where nothing was drawn.
    """

    id: int
    inspection_id: int
    verdict: Verdict
    comment: str
    created_at: datetime
    created_by: str
    region: dict[str, Any] | None = None


@dataclass(frozen=True)
class InspectionRow:
    """One image that was accepted for scoring.

    Attributes:
        model: the model's name.
        image: its row in the archive.
        name: as the client called it; never used as a path.
        category: what it shows; empty if unknown.
        source_key: identifies a watched file; otherwise ``None``.
        state: ``queued`` until it is scored; ``failed`` where that was impossible, for the reason in ``error``.
        scored_at: ``None`` while queued, like everything below it.
        weights_sha256: of the weights that scored it.
        calibration_id: the calibration that decided.
        score: raw and unbounded, higher is more anomalous.
        p_value: its rank among the calibration's images, in (0, 1].
        is_anomalous: the decision.
        not_inspectable: why the image is neither good nor anomalous; empty if it could be inspected, ``None`` as well
            for what an earlier version decided.
        notice: what to look at although the image passed; empty if there is nothing, ``None`` as well for what an
            earlier version decided.
        regions: what was found in the map, the highest peak first, as :meth:`.FoundRegion.to_record`; ``None`` where
            nothing is known of good images' maps, and for what an earlier version decided.
        milliseconds: how long scoring took.
        statistics: of the image's appearance, by name, for drift.
        feedback: the newest, if any.
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
    not_inspectable: str | None
    notice: str | None
    regions: list[dict[str, Any]] | None
    milliseconds: float | None
    error: str | None
    statistics: dict[str, float] | None
    feedback: FeedbackRow | None

    @property
    def image_sha256(self) -> str:
        """The image's name in the archive."""
        return self.image.sha256


@dataclass(frozen=True)
class Finished:
    """What became of a queued inspection.

    Attributes:
        id: of the inspection.
        error: why it could not be scored; then it is ``failed`` and needs no other value. A score that is not finite
            is a failure, too.
        statistics: of the image's appearance, by name; values that are not finite are left out.
        not_inspectable: why the image is neither good nor anomalous; empty if it could be inspected.
        notice: what to look at although the image passed; empty if there is nothing.
        regions: what was found in the map, as for :class:`InspectionRow`.
    """

    id: int
    weights_sha256: str | None = None
    calibration_id: int | None = None
    score: float | None = None
    p_value: float | None = None
    is_anomalous: bool | None = None
    milliseconds: float | None = None
    error: str | None = None
    statistics: Mapping[str, float] | None = None
    not_inspectable: str = ""
    notice: str = ""
    regions: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class AuditRow:
    """A change: who made it, when and why.

    Attributes:
        action: ``bundle``, ``recalibrate``, ``rate``, ``rollback``, ``retention``, or a caller's own.
        details: plain JSON values.
    """

    id: int
    at: datetime
    who: str
    action: str
    model_id: int | None
    details: dict[str, Any]
    reason: str


@dataclass(frozen=True)
class GoodImage:
    """An image that was judged good.

    Attributes:
        sha256: its name in the archive.
        name: what calibrations call it.
        category: what it shows; empty if unknown.
    """

    sha256: str
    name: str
    category: str


@dataclass(frozen=True)
class GoodImages:
    """The images of a model that were judged good by the newest verdict on each.

    Attributes:
        images: each once, the last judged first.
        warnings: signs, as sentences, that they are a biased sample of good images.
    """

    images: tuple[GoodImage, ...]
    warnings: tuple[str, ...]


Use = Literal["confirmed", "confirmed+calibration", "calibration"]


@dataclass(frozen=True)
class Proposal:
    """A calibration that could be applied, with its effects.

    Attributes:
        model_id: of the model.
        parent_id: the calibration that is active now.
        weights_sha256: of the model, and of every score used.
        use: which images it is made from.
        calibration: the proposed one.
        confirmed: how many of the images used were confirmed good by feedback.
        images: how many images are used.
        threshold: pooled, a raw score: current and proposed.
        false_alarm_rate: current and proposed.
        recent: how many of the newest decisions were compared, at most
        to_anomalous: inspections among them that would become anomalous, newest last.
        to_good: inspections among them that would become good, newest last.
        warnings: reasons, as sentences, why the promise may not hold.
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
        """The ``source`` that the calibration's row will have."""
        return "rate" if self.use == "calibration" else "confirmed"

    @property
    def changed(self) -> int:
        """How many of the recent decisions would change."""
        return len(self.to_anomalous) + len(self.to_good)

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values for the audit, without the scores."""
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
