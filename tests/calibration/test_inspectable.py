"""What is not inspectable: far outside the good images, where few or equal good images refuse nothing ordinary."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from twinspect.calibration.conformal import Calibration
from twinspect.calibration.inspectable import GoodRange, good_ranges
from twinspect.images.quality import ImageQuality

USUAL = ImageQuality(120.0, 40.0, 20.0)
BLACK, WHITE, GREY = ImageQuality(0.0, 0.0, 0.0), ImageQuality(255.0, 0.0, 0.0), ImageQuality(128.0, 0.0, 0.0)


def drawn(images: int, seed: int = 0, spread: float = 0.1) -> list[ImageQuality]:
    """Good images whose contrast and sharpness vary by so much, and whose brightness by a tenth at most."""
    factors = np.exp(np.random.default_rng(seed).normal(0, [min(spread, 0.1), spread, spread], (images, 3)))
    return [ImageQuality(*row) for row in (np.array(USUAL) * factors).tolist()]


def range_of(qualities: list[ImageQuality]) -> GoodRange:
    return good_ranges(qualities, [""] * len(qualities))[""]


@pytest.mark.parametrize("images", [4, 5, 20, 200])
def test_frames_without_light_or_focus_are_refused_with_the_reason(images: int) -> None:
    good = range_of(drawn(images))
    assert good.reason_against(BLACK) == "far darker than any good image"
    assert good.reason_against(WHITE) == "far brighter than any good image"
    assert good.reason_against(GREY) == "far less contrast than any good image"
    assert good.reason_against(USUAL._replace(sharpness=1.0)) == "far less sharp than any good image"
    assert good.reason_against(USUAL) == ""


def test_good_images_that_are_all_equal_do_not_refuse_ordinary_noise() -> None:
    good = range_of([USUAL] * 20)
    assert not any(good.reason_against(quality) for quality in drawn(1000, spread=0.25))
    assert good.reason_against(BLACK)


@pytest.mark.parametrize("images", [3, 5, 20])
def test_few_images_refuse_few_good_ones(images: int) -> None:
    refused = [
        bool(range_of(drawn(images, seed, 0.7)).reason_against(drawn(1, 10**6 + seed, 0.7)[0]))
        for seed in range(1000)
    ]
    assert np.mean(refused) < 0.01


def test_the_limit_is_the_range_s_own_width_beyond_it() -> None:
    contrasts = np.geomspace(10.0, 100.0, 1001)  # wide, and of many images: neither floor nor widening counts
    good = range_of([USUAL._replace(contrast=contrast) for contrast in contrasts.tolist()])
    assert good.reason_against(USUAL._replace(contrast=1.01)) == ""
    assert good.reason_against(USUAL._replace(contrast=0.98)) == "far less contrast than any good image"


@pytest.mark.parametrize("level", [30.0, 120.0, 230.0])
def test_other_light_is_no_reason_however_alike_good_images_are(level: float) -> None:
    good = range_of([USUAL._replace(brightness=level)] * 20)
    for factor in (1 / 1.49, 0.8, 1.05):
        assert good.reason_against(USUAL._replace(brightness=factor * level)) == ""
    assert good.reason_against(USUAL._replace(brightness=0.1 * level)) == "far darker than any good image"
    assert good.reason_against(USUAL._replace(brightness=254.5)) == "far brighter than any good image"


def test_a_record_without_a_factor_of_light_decides_as_it_did() -> None:
    record = range_of([USUAL._replace(brightness=230.0)] * 20).to_record()
    assert record.pop("light") == 1.5
    earlier = GoodRange.from_record(record)
    # odds of 230 to 25, divided by three
    assert earlier.reason_against(USUAL._replace(brightness=191.0)) == "far darker than any good image"
    assert earlier.reason_against(USUAL._replace(brightness=193.0)) == ""


def test_more_contrast_or_detail_and_bright_spots_in_dark_images_are_no_reason() -> None:
    assert range_of([USUAL] * 20).reason_against(ImageQuality(120.0, 127.0, 900.0)) == ""
    dark = [ImageQuality(2.0, 2.0, 2.0)] * 20
    assert range_of(dark).reason_against(ImageQuality(30.0, 60.0, 50.0)) == ""
    assert range_of(dark).reason_against(WHITE)


def test_one_image_has_no_range_and_a_category_has_its_own() -> None:
    assert good_ranges([USUAL], [""]) == {}
    dark = ImageQuality(3.0, 2.0, 2.0)
    ranges = good_ranges([USUAL] * 9 + [dark] * 9 + [USUAL], ["day"] * 9 + ["night"] * 9 + ["dusk"])
    assert sorted(ranges) == ["", "day", "night"]
    calibration = Calibration(tuple(range(19)), 0.1, good_ranges=ranges)
    reasons = [calibration.decide(1.0, name, dark).not_inspectable for name in ("day", "night", "dusk", "")]
    assert reasons == ["far darker than any good image", "", "", ""]


def test_what_cannot_be_inspected_is_not_anomalous_and_keeps_its_p_value() -> None:
    calibration = Calibration((1.0, 2.0, 3.0), 0.25, good_ranges=good_ranges([USUAL] * 9, [""] * 9))
    assert calibration.decide(9.0, "", USUAL) == (0.25, True, "")
    assert calibration.decide(9.0, "", BLACK) == (0.25, False, "far darker than any good image")
    assert calibration.decide(9.0, "") == (0.25, True, "")  # nothing is known of the frame
    assert calibration.decide(float("nan"), "", USUAL).is_anomalous is False


def test_the_record_keeps_the_range_and_an_older_one_lets_everything_be_inspected() -> None:
    calibration = Calibration((1.0, 2.0, 3.0), 0.25, good_ranges=good_ranges(drawn(9), ["nut"] * 9))
    record = json.loads(json.dumps(calibration.to_record()))
    assert Calibration.from_record(record) == calibration
    assert replace(calibration, false_alarm_rate=0.5).good_ranges == calibration.good_ranges
    del record["good_ranges"]
    assert Calibration.from_record(record).decide(9.0, "", BLACK) == (0.25, True, "")
