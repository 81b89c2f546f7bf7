"""Models, images and results for tests of the store."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.calibration.conformal import Calibration
from twinspect.serve.store import Finished, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.serve.store import InspectionRow, ModelRow

WEIGHTS = "a" * 64


class Clock:
    """A clock that is set by hand, and advances a microsecond at every reading."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at

    def pass_days(self, days: float) -> None:
        self.at += timedelta(days=days)


def calibration(images: int = 99, rate: float = 0.05, seed: int = 0, **rest: Any) -> Calibration:
    """Scores of so many good images, standard normal."""
    scores = np.random.default_rng(seed).standard_normal(images)
    return Calibration(tuple(float(score) for score in scores), rate, **rest)


def register(store: Store, name: str = "bottle", weights: str = WEIGHTS, **rest: Any) -> ModelRow:
    return store.register(
        name, "/models/bottle.twin", weights, "rd", "onnx", rest.pop("shown", calibration())
    )


def accept(store: Store, model: ModelRow, number: int, **rest: Any) -> InspectionRow:
    """Accept an image that differs for every number."""
    image = store.archive.put(b"image %d" % number, ".png", 64, 48)
    row = store.accept(model.id, image, **{"name": f"part {number}.png", **rest})
    assert row is not None
    return row


def inspect(
    store: Store, model: ModelRow, scores: Sequence[float], start: int = 0, **rest: Any
) -> list[InspectionRow]:
    """Accept images with these scores and finish them as a server does."""
    active = store.active(model.id)
    rows = [accept(store, model, start + number, **rest) for number in range(len(scores))]
    store.finish(
        [finished(row, score, active.calibration, active.id) for row, score in zip(rows, scores, strict=True)]
    )
    return [store.inspection(row.id) for row in rows]


def finished(
    row: InspectionRow, score: float, by: Calibration, number: int, weights: str = WEIGHTS
) -> Finished:
    p_value, is_anomalous, _ = by.decide(score, row.category)
    return Finished(row.id, weights, number, score, p_value, is_anomalous, 12.5, None, {"mean": score})
