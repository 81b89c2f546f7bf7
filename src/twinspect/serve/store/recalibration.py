"""What recalibration would do, before anybody does it.

Split-conformal ranking promises a rate for images that are exchangeable with those it ranks among: drawn alike, and
looked at or left out for no reason that has to do with their score. Feedback rarely is like that. Who confirms mostly
what was flagged hands over high scores, and the threshold comes out too high; who confirms only what looks clean
hands over low ones, and it comes out too low. Nothing in the scores can prove a sample fair, so a proposal tests for
what would show that it is not, and says in words what the promise then is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from sqlalchemy import select

from twinspect.calibration.conformal import Calibration, check_rate
from twinspect.errors import unknown_name
from twinspect.serve.store import calibrations, series
from twinspect.serve.store.inspections import JUDGED, LATEST
from twinspect.serve.store.records import Proposal, Use
from twinspect.serve.store.schema import INSPECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from twinspect.serve.store.records import ModelRow

RECENT: Final = 1000
"""Of so many of the newest decisions a proposal says how many would change."""
_MARK: Final = "image:"
"""Begins the name of a calibration image that came from feedback; its sha256 follows."""


@dataclass(frozen=True)
class _Image:
    """An image that somebody judged, by its newest verdict wherever the same bytes were inspected."""

    name: str
    verdict: str
    score: float | None
    category: str
    weights_sha256: str | None
    accepted_at: datetime


def propose(
    connection: Connection, model: ModelRow, use: Use, rate: float | None, since: datetime | None
) -> Proposal:
    """Work out a new calibration; nothing is changed.

    Raises:
        CalibrationError: these images cannot promise that rate; says what they can.
        ConfigError: no such use, or no rate.
    """
    if use not in get_args(Use):
        raise unknown_name("use", use, get_args(Use))
    active = calibrations.read(connection, model.active_calibration_id).calibration
    rate = active.false_alarm_rate if rate is None else check_rate(rate)
    judged = _judged(connection, model)
    good = [each for each in judged if _is_usable(each, model, since)] if use != "calibration" else []
    old = {
        "calibration": _entries(active),
        "confirmed": [],
        "confirmed+calibration": _kept(active, judged, good),
    }[use]
    calibration = _calibration(
        active, old + _confirmed(good), rate, "split" if use == "confirmed" else active.kind
    )
    recent = series.newest(connection, model, None, RECENT)
    was, will = (decisions(each, recent.scores, recent.categories) for each in (active, calibration))
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
        to_anomalous=_numbers(recent.ids[will & ~was]),
        to_good=_numbers(recent.ids[was & ~will]),
        warnings=_warnings(use, active, calibration, judged, good, old, model),
    )


def decisions(
    calibration: Calibration, scores: NDArray[np.float64], categories: Sequence[str]
) -> NDArray[np.bool_]:
    """Decide for scores, (N,), each within its own category where that has a threshold of its own."""
    thresholds = {name: calibration.of(name).threshold for name in set(categories)}
    return np.asarray(scores > np.array([thresholds[name] for name in categories]), dtype=np.bool_)


def _judged(connection: Connection, model: ModelRow) -> list[_Image]:
    """Every image of a model that was judged, each once: what was sent twice is one image, not two."""
    query = (
        select(
            INSPECTIONS.c.image_sha256,
            LATEST.c.verdict,
            INSPECTIONS.c.score,
            INSPECTIONS.c.category,
            INSPECTIONS.c.weights_sha256,
            INSPECTIONS.c.accepted_at,
        )
        .select_from(JUDGED)
        .where(INSPECTIONS.c.model_id == model.id, LATEST.c.id.is_not(None))
        .order_by(LATEST.c.id)
    )
    found = {row[0]: _Image(f"{_MARK}{row[0]}", *row[1:]) for row in connection.execute(query)}
    return list(found.values())


def _is_usable(image: _Image, model: ModelRow, since: datetime | None) -> bool:
    """Take images confirmed good whose scores the present weights made; nothing is scored again for this."""
    is_own = image.score is not None and image.weights_sha256 == model.weights_sha256
    return image.verdict == "good" and is_own and (since is None or image.accepted_at >= since)


_Entry = tuple[float, str, str]
"""Score, name and category of a calibration image."""


def _entries(calibration: Calibration) -> list[_Entry]:
    unknown = ("",) * len(calibration.scores)
    parts = (calibration.scores, calibration.names or unknown, calibration.categories or unknown)
    return list(zip(*parts, strict=True))


def _kept(active: Calibration, judged: Iterable[_Image], good: Iterable[_Image]) -> list[_Entry]:
    """Leave out of the old images those that were called otherwise since, and those that come in anew."""
    gone = {each.name for each in judged if each.verdict != "good"} | {each.name for each in good}
    return [entry for entry in _entries(active) if entry[1] not in gone]


def _confirmed(good: Iterable[_Image]) -> list[_Entry]:
    return [(float(each.score or 0.0), each.name, each.category) for each in good]


def _calibration(
    active: Calibration, entries: Sequence[_Entry], rate: float, kind: Literal["split", "cv"]
) -> Calibration:
    """Rank among these images; colours and whether categories count stay as they are."""
    scores, names, categories = zip(*entries, strict=True) if entries else ((), (), ())
    return Calibration(scores, rate, kind, active.map_range, names, categories if active.categories else ())


def _warnings(
    use: Use,
    active: Calibration,
    calibration: Calibration,
    judged: Iterable[_Image],
    good: Sequence[_Image],
    old: Sequence[_Entry],
    model: ModelRow,
) -> tuple[str, ...]:
    # scipy.stats takes a second to import, and a server starts without it.
    from twinspect.serve.store import recalibration_checks  # noqa: PLC0415

    found = [_doubted(active, judged)] if use != "confirmed+calibration" else []
    if good:
        scores = np.array([each.score for each in good])
        flagged = int(decisions(active, scores, [each.category for each in good]).sum())
        found += [
            recalibration_checks.flagged(active, len(good), flagged),
            recalibration_checks.lost_categories(active, calibration),
        ]
        found += [recalibration_checks.mixed([each[0] for each in old], scores)] if old else []
    if use != "calibration":
        found += [_other_weights(judged, model), recalibration_checks.suspects(calibration)]
    return tuple(each for each in found if each)


def _doubted(active: Calibration, judged: Iterable[_Image]) -> str:
    bad = {each.name for each in judged if each.verdict != "good"} & set(active.names)
    return (
        f"{len(bad)} of the images of the active calibration are no longer confirmed good; "
        "use confirmed+calibration to leave them out"
        if bad
        else ""
    )


def _other_weights(judged: Iterable[_Image], model: ModelRow) -> str:
    other = [
        each for each in judged if each.verdict == "good" and each.weights_sha256 != model.weights_sha256
    ]
    return (
        f"{len(other)} images confirmed good are left out: other weights scored them, and such scores do not compare"
        if other
        else ""
    )


def _numbers(ids: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(each) for each in ids)
