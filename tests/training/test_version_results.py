"""Which images decide whether a new version is worse."""

from __future__ import annotations

from pathlib import Path

from twinspect.calibration.conformal import Calibration
from twinspect.data.samples import Sample
from twinspect.training.version_results import compare_versions

KEPT, HELD = [Sample(Path("k"), "k")], [Sample(Path("h"), "h")]
DEFECTS = [Sample(Path("k"), "k", label="defect"), Sample(Path("x"), "x", label="defect")]
OLD = (
    Calibration((1.0,), 0.5),
    {
        "good:k": (0.5, False, False),
        "good:h": (2.0, True, False),
        "defect:k": (3.0, True, False),
        "defect:x": (3.0, True, False),
    },
)
NEW = (
    Calibration((2.5, 2.0, 1.0), 0.25),
    {
        "good:k": (0.5, False, False),
        "good:h": (2.0, False, False),
        "defect:k": (1.5, False, False),
    },
)


def test_images_of_one_name_are_told_apart_and_unreadable_ones_counted() -> None:
    found = compare_versions(OLD, NEW, KEPT, HELD, DEFECTS)
    assert found["unreadable_defects"] == 1
    assert (found["kept"]["old"]["false_alarms"], found["added"]["old"]["false_alarms"]) == (0, 1)
    assert (found["kept"]["new"]["good"], found["kept"]["new"]["defects"]) == (1, 1)


def test_kept_images_decide_and_new_ones_where_none_was_kept() -> None:
    on_kept = compare_versions(OLD, NEW, KEPT, HELD, DEFECTS)["reasons"]
    assert "1 more of 1 images with defects is missed: 0 -> 1" in on_kept
    assert not any("AUROC" in reason for reason in on_kept)  # 1 of both: 0.5 lies below 1.5
    without = compare_versions(OLD, NEW, [], HELD, DEFECTS)
    assert without["worse"]
    assert "image AUROC falls: 1.000 -> 0.000" in without["reasons"]
    assert without["kept"]["new"]["good"] == 0
