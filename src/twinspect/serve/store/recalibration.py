"""Recalibration proposals: another calibration and its effects, before anything is changed.

Split-conformal ranking promises a rate for images that are exchangeable with the calibration images: sampled alike,
and selected independently of their score. Feedback rarely is. Confirming mostly flagged images selects high scores,
and the threshold comes out too high; confirming only images that look clean selects low scores, and it comes out too
low. Scores alone cannot prove a sample unbiased, so a proposal tests for signs of bias, and its warnings say what the
promise is worth if there are any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, get_args

import numpy as np
from sqlalchemy import select

from twinspect.calibration.conformal import Calibration, check_rate
from twinspect.errors import CalibrationError, unknown_name
from twinspect.inference.left_out import adding_note
from twinspect.serve.store import calibrations, series
from twinspect.serve.store.inspections import LATEST, WITH_FEEDBACK
from twinspect.serve.store.records import GoodImage, GoodImages, Proposal, Use
from twinspect.serve.store.schema import INSPECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from twinspect.calibration.conformal import Kind
    from twinspect.serve.store.records import ModelRow

RECENT: Final = 1000
"""The number of newest decisions in which a proposal counts changes."""
MOST_RESCORED: Final = 1000
"""The number of newest good images that are scored anew."""
_LEVEL_STAYS: Final = (
    "regions keep their level, which comes from maps of earlier good images: the server stores scores, not maps; the "
    "page Region scores the images anew and sets both"
)
_NAME_PREFIX: Final = "image:"
"""Prefix of the name of a calibration image that came from feedback, before its sha256."""


@dataclass(frozen=True)
class _ReviewedImage:
    """An image with feedback, by the newest verdict on any inspection of the same bytes."""

    name: str
    verdict: str
    score: float | None
    category: str
    weights_sha256: str | None
    accepted_at: datetime


def propose(
    connection: Connection, model: ModelRow, use: Use, rate: float | None, since: datetime | None
) -> Proposal:
    """Compute a new calibration; nothing is changed.

    Raises:
        CalibrationError: these images cannot promise that rate; the message says which rate they can.
        ConfigError: the use does not exist, or the rate is not between 0 and 1.
    """
    if use not in get_args(Use):
        raise unknown_name("use", use, get_args(Use))
    active = calibrations.read(connection, model.active_calibration_id).calibration
    rate = active.false_alarm_rate if rate is None else check_rate(rate)
    if use != "calibration":
        _check_single_images(active, model)
    reviewed = _reviewed_images(connection, model)
    good = [image for image in reviewed if _is_usable(image, model, since)] if use != "calibration" else []
    old = {
        "calibration": _entries(active),
        "confirmed": [],
        "confirmed+calibration": _remaining(active, reviewed, good),
    }[use]
    if use == "calibration":
        calibration = replace(active, false_alarm_rate=rate)
    else:
        kind = "split" if use == "confirmed" else active.kind
        with adding_note(_other_weights(reviewed, model)):
            calibration = _calibration(active, old + _confirmed(good), rate, kind)
    recent = series.newest(connection, model, None, RECENT)
    before, after = (decisions(by, recent.scores, recent.categories) for by in (active, calibration))
    return Proposal(
        model_id=model.id,
        parent_id=model.active_calibration_id,
        weights_sha256=model.weights_sha256,
        use=use,
        calibration=calibration,
        confirmed=len(good),
        images=len(calibration.scores),
        threshold=(active.threshold, calibration.threshold),
        false_alarm_rate=(active.false_alarm_rate, rate),
        recent=len(recent),
        to_anomalous=_to_ints(recent.ids[after & ~before]),
        to_good=_to_ints(recent.ids[before & ~after]),
        warnings=_warnings(use, active, calibration, reviewed, good, old, model),
    )


def good_images(connection: Connection, model: ModelRow) -> GoodImages:
    """Return the images that were judged good, the last judged first, at most :data:`MOST_RESCORED`.

    Raises:
        CalibrationError: the model decides on parts.
    """
    active = calibrations.read(connection, model.active_calibration_id).calibration
    _check_single_images(active, model)
    reviewed = reversed(_reviewed_images(connection, model))
    good = [image for image in reviewed if image.verdict == "good"][:MOST_RESCORED]
    images = (GoodImage(image.name.removeprefix(_NAME_PREFIX), image.name, image.category) for image in good)
    warning = _flagged(active, [image for image in good if _is_usable(image, model, None)])
    return GoodImages(tuple(images), (warning,) if warning else ())


def _check_single_images(active: Calibration, model: ModelRow) -> None:
    if any(active.parts):
        raise CalibrationError(
            "this model decides on parts, and feedback is on single images; write a manifest of good images with the "
            f"columns path and part, and type: twinspect calibrate {model.name}.twin MANIFEST.csv"
        )


def decisions(
    calibration: Calibration, scores: NDArray[np.float64], categories: Sequence[str]
) -> NDArray[np.bool_]:
    """Decide for scores, (N,), by the threshold of each one's category if it has its own."""
    thresholds = {name: calibration.of(name).threshold for name in set(categories)}
    return np.asarray(scores > np.array([thresholds[name] for name in categories]), dtype=np.bool_)


def _reviewed_images(connection: Connection, model: ModelRow) -> list[_ReviewedImage]:
    """Return every image of a model with feedback, each once: what was sent twice is one image, not two."""
    query = (
        select(
            INSPECTIONS.c.image_sha256,
            LATEST.c.verdict,
            INSPECTIONS.c.score,
            INSPECTIONS.c.category,
            INSPECTIONS.c.weights_sha256,
            INSPECTIONS.c.accepted_at,
        )
        .select_from(WITH_FEEDBACK)
        .where(INSPECTIONS.c.model_id == model.id, LATEST.c.id.is_not(None))
        .order_by(LATEST.c.id)
    )
    images = {
        row[0]: _ReviewedImage(f"{_NAME_PREFIX}{row[0]}", *row[1:]) for row in connection.execute(query)
    }
    return list(images.values())


def _is_usable(image: _ReviewedImage, model: ModelRow, since: datetime | None) -> bool:
    """Tell whether an image is confirmed good and scored by the current weights; nothing is scored again for this."""
    is_comparable = image.score is not None and image.weights_sha256 == model.weights_sha256
    return image.verdict == "good" and is_comparable and (since is None or image.accepted_at >= since)


_Entry = tuple[float, str, str]
"""Score, name and category of a calibration image."""


def _entries(calibration: Calibration) -> list[_Entry]:
    unknown = ("",) * len(calibration.scores)
    parts = (calibration.scores, calibration.names or unknown, calibration.categories or unknown)
    return list(zip(*parts, strict=True))


def _remaining(
    active: Calibration, reviewed: Iterable[_ReviewedImage], good: Iterable[_ReviewedImage]
) -> list[_Entry]:
    """Leave out calibration images that are no longer confirmed good, and those that are added anew."""
    left_out = {image.name for image in reviewed if image.verdict != "good"} | {image.name for image in good}
    return [entry for entry in _entries(active) if entry[1] not in left_out]


def _confirmed(good: Iterable[_ReviewedImage]) -> list[_Entry]:
    return [(float(image.score or 0.0), image.name, image.category) for image in good]


def _calibration(active: Calibration, entries: Sequence[_Entry], rate: float, kind: Kind) -> Calibration:
    """Calibrate on these images; what is known of maps and of good images, and whether categories count, stay."""
    scores, names, categories = zip(*entries, strict=True) if entries else ((), (), ())
    known = categories if active.categories else ()
    return replace(
        Calibration(scores, rate, kind, active.map_range, names, known),
        good_ranges=active.good_ranges,
        map_peaks=active.map_peaks,
    )


def _warnings(
    use: Use,
    active: Calibration,
    calibration: Calibration,
    reviewed: Iterable[_ReviewedImage],
    good: Sequence[_ReviewedImage],
    old: Sequence[_Entry],
    model: ModelRow,
) -> tuple[str, ...]:
    # scipy.stats takes a second to import, and a server starts without it.
    from twinspect.serve.store import recalibration_checks  # noqa: PLC0415

    warnings = [_withdrawn(active, reviewed)] if use != "confirmed+calibration" else []
    if good:
        scores = np.array([image.score for image in good])
        warnings += [
            _flagged(active, good),
            recalibration_checks.lost_categories(active, calibration),
        ]
        warnings += [recalibration_checks.mixed([entry[0] for entry in old], scores)] if old else []
    if use != "calibration":
        warnings += [_other_weights(reviewed, model), recalibration_checks.suspects(calibration)]
        warnings += [_LEVEL_STAYS] if active.map_peaks else []
    return tuple(warning for warning in warnings if warning)


def _flagged(active: Calibration, good: Sequence[_ReviewedImage]) -> str:
    """Test how many of the images judged good the active calibration calls anomalous; empty for no sign of bias."""
    from twinspect.serve.store.recalibration_checks import flagged  # noqa: PLC0415 - as in _warnings

    if not good:
        return ""
    scores = np.array([image.score for image in good])
    anomalous = int(decisions(active, scores, [image.category for image in good]).sum())
    return flagged(active, len(good), anomalous)


def _withdrawn(active: Calibration, reviewed: Iterable[_ReviewedImage]) -> str:
    withdrawn = {image.name for image in reviewed if image.verdict != "good"} & set(active.names)
    return (
        f"{len(withdrawn)} of the images of the active calibration are no longer confirmed good; "
        "use confirmed+calibration to leave them out"
        if withdrawn
        else ""
    )


def _other_weights(reviewed: Iterable[_ReviewedImage], model: ModelRow) -> str:
    other = [
        image
        for image in reviewed
        if image.verdict == "good" and image.weights_sha256 != model.weights_sha256
    ]
    return (
        f"{len(other)} images confirmed good are left out: other weights scored them, or within another region, so "
        "scores are not comparable; the page Region scores them anew"
        if other
        else ""
    )


def _to_ints(ids: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(number) for number in ids)
