"""What a user's typed program writes; type checkers read it against an installed twinspect, and nothing runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import twinspect as ts
from twinspect.testing import Check, check_method, method_checks


def fit() -> ts.Detector:
    detector = ts.Detector("hybrid", teacher="pocket", seed=0, false_alarm_rate=0.01)
    return detector.fit("parts/good")


def inspect(detector: ts.Detector) -> list[str]:
    scores = detector.score(["a.png", "b.png"])
    assert_type(scores, ts.Scores)
    assert_type(scores.image, NDArray[np.float32])
    assert_type(scores.p_value, NDArray[np.float64])
    assert_type(scores.is_anomalous, NDArray[np.bool_])
    return [path for path, flagged in zip(scores.paths, scores.is_anomalous, strict=True) if flagged]


def keep(detector: ts.Detector) -> None:
    detector.calibrate("more/good", false_alarm_rate=0.005)
    detector.save("parts.twin")
    loaded = ts.load("parts.twin")
    metrics: dict[str, Any] = dict(ts.evaluate(loaded, "parts").mean)
    print(metrics["image_auroc"])


def explore() -> None:
    assert_type(ts.__version__, str)
    assert_type(sorted(ts.methods()), list[str])
    try:
        ts.Detector("no such method").fit("parts")
    except ts.errors.ConfigError as error:
        assert_type(str(error), str)


def hold_to_the_contract() -> None:
    checks = method_checks("hybrid", width=16)
    assert_type(checks, list[Check])
    check_method("hybrid")
