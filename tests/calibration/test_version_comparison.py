"""Two versions side by side, against scikit-learn, SciPy and counting by hand."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

from twinspect.calibration.version_comparison import Judged, drops, result

GOOD = Judged((0.1, 0.4, 0.2, 0.9), (False, False, False, True), (False, False, True, False))
DEFECTS = Judged((0.3, 0.8, 0.95), (False, True, True), (False, False, False))


def test_errors_are_counted_among_the_images_that_are_decided_on() -> None:
    found = result(GOOD, DEFECTS, 0.5, 0.25, "in words")
    assert (found["good"], found["good_not_inspectable"], found["false_alarms"]) == (4, 1, 1)
    assert (found["defects"], found["defects_not_inspectable"], found["misses"]) == (3, 0, 1)
    assert found["image_auroc"] == pytest.approx(
        roc_auc_score([0] * 4 + [1] * 3, [*GOOD.scores, *DEFECTS.scores])
    )
    # Clopper and Pearson by quantiles of the beta distribution, for 1 of 3.
    bounds = [beta.ppf(0.025, 1, 3), beta.ppf(0.975, 2, 2)]
    assert found["false_alarm_interval"] == pytest.approx(bounds)
    assert found["miss_interval"] == pytest.approx(bounds)


def test_without_defects_or_good_images_nothing_is_made_up() -> None:
    found = result(Judged(), DEFECTS, 0.5, 0.25, "")
    assert found["image_auroc"] is None
    assert found["false_alarm_interval"] is None
    found = result(GOOD, Judged.of([]), 0.5, 0.25, "")
    assert found["image_auroc"] is None
    assert found["miss_interval"] is None


SAME: dict[str, Any] = result(GOOD, DEFECTS, 0.5, 0.25, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"misses": 3}, "2 more of 3 images with defects are missed: 1 -> 3"),
        ({"false_alarms": 2}, "1 more of 4 good images is called anomalous: 1 -> 2"),
        ({"good_not_inspectable": 2}, "more of 4 good images cannot be inspected: 1 -> 2"),
        ({"defects_not_inspectable": 1}, "more of 3 images with defects cannot be inspected: 0 -> 1"),
        ({"image_auroc": 0.5}, "image AUROC falls: 0.750 -> 0.500"),
        (
            {"promised_false_alarm_rate": 0.5},
            "the promise is weaker: at most 25 % -> 50 % false alarms",
        ),
    ],
)
def test_every_drop_is_said(change: dict[str, Any], said: str) -> None:
    assert drops(SAME, {**SAME, **change}) == [said]
    assert drops({**SAME, **change}, SAME) == []


def test_what_does_not_show_in_an_auroc_is_no_drop() -> None:
    assert drops({**SAME, "image_auroc": 0.9502}, {**SAME, "image_auroc": 0.9498}) == []
