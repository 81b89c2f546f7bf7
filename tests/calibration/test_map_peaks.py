"""A notice where a map's peak lies far above those of good images and the score does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import QUICK, stripes
from twinspect.calibration.conformal import Calibration
from twinspect.calibration.map_peaks import FAR, GoodPeaks
from twinspect.data.samples import Sample
from twinspect.inference.results import ImageScore
from twinspect.inference.score_table import to_row

GOOD = np.stack([stripes(seed) for seed in range(24)])


def test_only_a_peak_far_above_every_good_one_is_noticed() -> None:
    peaks = GoodPeaks(typical=1.0, highest=3.0)
    assert peaks.limit == pytest.approx(1 + 2 * FAR)
    assert peaks.notice(peaks.limit) == peaks.notice(3.0) == ""
    assert "4.5 times as high as any good image's" in peaks.notice(10.0)


def test_scores_that_follow_their_peaks_need_no_notice() -> None:
    random = np.random.default_rng(0)
    highest = random.uniform(1, 2, 19).tolist()
    typical = [0.5] * 19
    assert GoodPeaks.of([2 * peak + 1 for peak in highest], typical, highest) is None
    assert GoodPeaks.of([1.0, 2.0], typical[:2], [2.0, 1.0]) is None
    assert GoodPeaks.of(random.uniform(1, 2, 19).tolist(), typical, highest) == GoodPeaks(0.5, max(highest))


@pytest.mark.parametrize("draw", ["normal", "exponential", "standard_cauchy"])
def test_good_images_are_noticed_no_oftener_than_once_in_n_plus_1(draw: str) -> None:
    random = np.random.default_rng(1)
    draws = np.abs(getattr(random, draw)(size=(4000, 20)))
    noticed = [
        bool(GoodPeaks(float(np.median(row)), float(row[:19].max())).notice(float(row[19]))) for row in draws
    ]
    assert np.mean(noticed) <= 1 / 20 + 3 * (0.05 * 0.95 / 4000) ** 0.5


def test_a_record_keeps_them_and_older_ones_load_without() -> None:
    calibration = Calibration((1.0, 2.0, 3.0), 0.25, good_peaks=GoodPeaks(0.5, 2.0))
    record = calibration.to_record()
    assert Calibration.from_record(record) == calibration
    del record["good_peaks"]
    assert Calibration.from_record(record).good_peaks is None


def test_the_row_says_it_whether_or_not_maps_are_asked_for_and_the_verdict_stays() -> None:
    detector = ts.Detector("rd", **QUICK | {"steps": 2}).fit(GOOD)
    assert detector.calibration_.good_peaks is None  # RD's score is the peak of its map
    before = list(detector.stream(GOOD[:3]))
    low = GoodPeaks(-2.0, -1.0)  # all maps are far above
    detector.calibration_ = replace(detector.calibration_, good_peaks=low)
    with_maps, without = (list(detector.stream(GOOD[:3], maps=maps)) for maps in (True, False))
    assert [row.notice for row in with_maps] == [row.notice for row in without]
    assert [bool(row.notice) for row in without] == [not row.is_anomalous for row in before]
    assert [row.is_anomalous for row in without] == [row.is_anomalous for row in before]
    assert all(row.map is None for row in without)


def test_the_table_has_a_column_of_it() -> None:
    row = ImageScore(Sample(Path("a.png"), "a.png"), 1.0, 0.5, notice="look")
    assert to_row(row)["notice"] == "look"
