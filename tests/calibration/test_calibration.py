"""The promise: what it says, when it is refused, and that it holds."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from twinspect.calibration.conformal import (
    Calibration,
    choose_rate,
    choose_rate_for_categories,
    images_needed,
    smallest_rate,
)
from twinspect.calibration.hold_out import choose_kind, count_to_hold_out, counts_to_hold_out
from twinspect.errors import CalibrationError, ConfigError


def test_p_values_equal_the_definition() -> None:
    random = np.random.default_rng(0)
    calibration = random.integers(0, 10, 30).astype(float)  # integers: many ties
    new = random.integers(-2, 13, 50).astype(float)
    expected = [(1 + sum(c >= s for c in calibration)) / 31 for s in new]
    np.testing.assert_array_equal(Calibration(tuple(calibration), 0.1).p_values(new), expected)


@pytest.mark.parametrize("images", [1, 2, 9, 19, 20, 37, 99])
def test_the_threshold_decides_exactly_where_p_is_at_most_alpha(images: int) -> None:
    random = np.random.default_rng(images)
    scores = tuple(random.integers(0, 15, images).astype(float))
    for rate in (0.01, 0.05, 0.29, 0.5, smallest_rate(images)):
        if images < images_needed(rate):
            continue
        calibration = Calibration(scores, rate)
        new = np.arange(-1, 17, 0.5)
        ranks = np.array([1 + sum(c >= s for c in scores) for s in new])
        allowed = 1 if rate == smallest_rate(images) else Fraction(repr(rate)) * (images + 1)
        np.testing.assert_array_equal(calibration.is_anomalous(new), ranks <= allowed)
        np.testing.assert_array_equal(calibration.is_anomalous(new), new > calibration.threshold)


@pytest.mark.parametrize(("images", "rate"), [(19, 0.05), (60, 0.05), (99, 0.1), (12, None)])
def test_the_promised_rate_holds_on_average_over_calibrations(images: int, rate: float | None) -> None:
    random = np.random.default_rng(0)
    promised = choose_rate(images, rate)
    alarms = [
        Calibration(tuple(random.standard_normal(images)), promised)
        .is_anomalous(random.standard_normal(50))
        .mean()
        for _ in range(2000)
    ]
    error = 3 * np.std(alarms) / np.sqrt(len(alarms))
    assert np.mean(alarms) <= promised + error
    assert np.mean(alarms) >= promised - 1 / (images + 1) - error  # and it is not wastefully strict


@pytest.mark.parametrize(
    ("rate", "needed"), [(0.05, 19), (0.01, 99), (0.1, 9), (0.3, 3), (0.5, 1), (0.005, 199)]
)
def test_images_needed(rate: float, needed: int) -> None:
    assert images_needed(rate) == needed
    Calibration(tuple(range(needed)), rate)
    with pytest.raises(CalibrationError, match=f"needs {needed}|no good images"):
        Calibration(tuple(range(needed - 1)), rate)


def test_unasked_the_rate_is_the_smallest_the_images_promise() -> None:
    assert choose_rate(12, None) == 1 / 13
    assert Calibration(tuple(range(12)), 1 / 13).threshold == 11  # only above all of them


@pytest.mark.parametrize(
    ("images", "asked", "held"),
    [
        (3, None, 1),
        (31, None, 12),
        (50, None, 19),
        (200, None, 40),
        (10_000, None, 199),
        (200, 0.05, 40),
        (60, 0.05, 19),
        (250, 0.01, 99),
    ],
)
def test_how_many_are_held_out(images: int, asked: float | None, held: int) -> None:
    assert count_to_hold_out(images, asked) == held


def test_too_few_images_for_the_rate_asked_for_says_how_many_and_offers_cv() -> None:
    with pytest.raises(
        CalibrationError,
        match=r"needs 19 .* at most 40 % of 31 .*: 12\. Give at least 48 .*0\.077 .*--calibration cv",
    ):
        count_to_hold_out(31, 0.05)


def test_a_single_image_is_not_split_and_promises_nothing() -> None:
    assert counts_to_hold_out({"": 1}, None) == {"": 0}
    with pytest.raises(CalibrationError, match=r"at least 48 good images for 0\.05"):
        counts_to_hold_out({"": 1}, 0.05)
    assert choose_kind(None, 1, 19) == choose_kind("split", 1, 0) == "copies"
    with pytest.raises(ConfigError, match="one of split, cv, got ''"):
        choose_kind("", 50, 0)
    promise = Calibration((3.0,), 0.5, "copies").promise()
    assert "no false-alarm rate can be promised" in promise
    assert "%" not in promise


@pytest.mark.parametrize("images", [0, 1, 2])
def test_too_few_images_for_any_rate(images: int) -> None:
    with pytest.raises(CalibrationError, match="cannot be split"):
        count_to_hold_out(images, None)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_a_rate_outside_its_range_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        choose_rate(100, rate)


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(CalibrationError, match="finite"):
        Calibration((1.0, float("nan")), 0.5)


def test_nan_has_no_p_value_and_is_never_anomalous() -> None:
    calibration = Calibration((1.0, 2.0, 3.0), 0.25)
    assert np.isnan(calibration.p_values([np.nan])).all()
    assert not calibration.is_anomalous([np.nan]).any()


def test_the_record_round_trips() -> None:
    calibration = Calibration((0.1, 0.3, 0.2), 0.25, "cv", (0.5, 2.0), ("a", "c", "b"))
    assert Calibration.from_record(calibration.to_record()) == calibration


def test_scores_far_out_are_named_highest_first() -> None:
    scores = (0.30, 0.40, 0.41, 0.42, 1.90, 0.46, 0.51, 0.52, 0.53, 1.12)
    names = tuple(f"{n}.png" for n in range(10))
    calibration = Calibration(scores, 0.2, names=names)
    assert calibration.suspects() == (("4.png", 1.90), ("9.png", 1.12))
    assert calibration.names[0] == "0.png"
    assert Calibration(scores, 0.2).suspects() == ()
    assert (
        Calibration(tuple(np.linspace(0, 1, 20)), 0.05, names=tuple("abcdefghijklmnopqrst")).suspects() == ()
    )


# --- several categories ---------------------------------------------------------------------------------


def two_scales(random: np.random.Generator, images: int = 19) -> Calibration:
    """Held-out scores of a category around 0 and of one around 10, and of a third with three images only."""
    scores = np.concatenate([random.normal(0, 1, images), random.normal(10, 1, images), [5.0, 5.1, 5.2]])
    categories = ("nut",) * images + ("bolt",) * images + ("cog",) * 3
    return Calibration(tuple(scores), 0.05, categories=categories)


def test_a_category_is_ranked_among_its_own() -> None:
    calibration = two_scales(np.random.default_rng(0))
    for name in ("nut", "bolt"):
        scores = [s for s, c in zip(calibration.scores, calibration.categories, strict=True) if c == name]
        assert calibration.of(name).scores == tuple(scores)
        assert calibration.of(name).threshold == max(scores)
    assert calibration.of("nut").threshold < 5 < calibration.of("bolt").threshold


@pytest.mark.parametrize("category", ["cog", "unheard of", ""])
def test_few_images_or_an_unknown_category_share_the_pooled_threshold(category: str) -> None:
    calibration = two_scales(np.random.default_rng(0))
    assert calibration.of(category) is calibration
    assert "19 or more in each of 2 categories" in calibration.promise()
    assert "1 with too few share the pooled threshold" in calibration.promise()


def test_one_category_is_no_matter() -> None:
    alone = Calibration((1.0, 2.0), 0.4, categories=("nut", "nut"))
    assert not alone.by_category
    assert alone.of("nut") is alone
    assert alone.promise() == Calibration((1.0, 2.0), 0.4).promise()


def test_the_promise_holds_in_every_category_and_pooled_only_on_average() -> None:
    random = np.random.default_rng(1)
    alarms: dict[str, list[float]] = {"own": [], "pooled": []}
    for _ in range(1000):
        calibration, new = two_scales(random), random.normal(10, 1, 20)
        alarms["own"].append(float(calibration.of("bolt").is_anomalous(new).mean()))
        alarms["pooled"].append(float(calibration.is_anomalous(new).mean()))
    error = 3 * np.std(alarms["own"]) / np.sqrt(1000)
    assert np.mean(alarms["own"]) <= 0.05 + error
    assert np.mean(alarms["pooled"]) > 0.06 + error  # the category whose scores run high pays for the others


def test_categories_survive_the_record() -> None:
    calibration = two_scales(np.random.default_rng(0))
    record = json.loads(json.dumps(calibration.to_record()))
    assert record["thresholds"] == {name: calibration.of(name).threshold for name in ("bolt", "nut")}
    assert Calibration.from_record(record) == calibration
    del record["categories"]  # as models were written before
    assert not Calibration.from_record(record).by_category


@pytest.mark.parametrize(
    ("images", "asked", "held"),
    [
        ({"a": 50}, None, {"a": 19}),
        ({"a": 50, "b": 100}, None, {"a": 19, "b": 20}),
        ({"a": 50, "b": 10}, None, {"a": 19, "b": 4}),
        ({"a": 50, "b": 10}, 0.05, {"a": 19, "b": 4}),
        ({"a": 30, "b": 30}, 0.05, {"a": 12, "b": 12}),  # together 24, enough for the pooled threshold
    ],
)
def test_every_category_holds_out_what_the_rate_takes(
    images: dict[str, int], asked: float | None, held: dict[str, int]
) -> None:
    assert counts_to_hold_out(images, asked) == held


def test_too_few_images_in_all_categories_together() -> None:
    with pytest.raises(CalibrationError, match="needs 99"):
        counts_to_hold_out({"a": 50, "b": 50}, 0.01)


@pytest.mark.parametrize(
    ("counts", "asked", "rate"),
    [((19, 19), None, 0.05), ((19, 99), None, 0.05), ((19, 2), None, 0.1), ((40, 60), 0.02, 0.02)],
)
def test_the_rate_is_one_that_every_category_can_promise(
    counts: tuple[int, int], asked: float | None, rate: float
) -> None:
    categories = ["a"] * counts[0] + ["b"] * counts[1]
    assert choose_rate_for_categories(categories, asked) == pytest.approx(rate)


def test_a_score_that_differs_by_rounding_alone_is_no_suspect() -> None:
    names = tuple(f"{number}.png" for number in range(20))
    rounded = (*(5.0 + 1e-7 * (number % 2) for number in range(19)), 5.00001)
    assert Calibration(rounded, 0.05, names=names).suspects() == ()
    assert Calibration((5.0,) * 19 + (5.000001,), 0.05, names=names).suspects() == ()
    assert Calibration((-5.0,) * 19 + (-4.999999,), 0.05, names=names).suspects() == ()
    assert Calibration((5.0,) * 19 + (5.1,), 0.05, names=names).suspects() == (("19.png", 5.1),)
    assert Calibration((0.0,) * 19 + (1e-8,), 0.05, names=names).suspects() == ()
