"""Drift: unchanged production is flagged no more often than stated, defects or not; what changes is named."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage, stats

from drawn_parts import blemish, stripes
from twinspect.calibration.conformal import Calibration
from twinspect.errors import CalibrationError, ConfigError
from twinspect.images.statistics import ImageStatistics, image_statistics
from twinspect.serve.drift.permutation_test import PERMUTATIONS, Stratum, compare
from twinspect.serve.drift.sensitivity import POWER, noticeable_shift
from twinspect.serve.drift.verdict import verdict_record
from twinspect.serve.drift.what_if import what_if
from twinspect.serve.drift.windows import ANOMALIES, RATE, find_drift
from twinspect.serve.drift.wording import DIRECTIONS, quantity_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

KINDS = len(ImageStatistics._fields)


@dataclass(frozen=True)
class Inspections:
    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    categories: tuple[str, ...]
    statistics: tuple[dict[str, float], ...]


def window_of(
    table: NDArray[np.float64], first: int = 1, category: str | tuple[str, ...] = ""
) -> Inspections:
    """Inspections from a table of scores and looks, (N, 1 + KINDS)."""
    categories = (category,) * len(table) if isinstance(category, str) else category
    rows = tuple(ImageStatistics(*row)._asdict() for row in table[:, 1:])
    return Inspections(np.arange(first, first + len(table)), table[:, 0].copy(), categories, rows)


def calibrated(
    table: NDArray[np.float64], rate: float = 0.05, categories: tuple[str, ...] = ()
) -> Calibration:
    rows = tuple(ImageStatistics(*row) for row in table[:, 1:])
    return Calibration(tuple(table[:, 0]), rate, categories=categories, statistics=rows)


def production(random: np.random.Generator, images: int) -> NDArray[np.float64]:
    """Good images: skewed scores, looks that depend on each other, one constant, one with many ties."""
    mix = np.eye(1 + KINDS) + 0.5 * np.tri(1 + KINDS)
    table = random.standard_normal((images, 1 + KINDS)) @ mix
    table[:, 0] = np.exp(table[:, 0] / 8)
    table[:, 2] = 40.0
    table[:, -1] = np.maximum(0, np.round(table[:, -1]))
    return table


# The rate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "promised", "defects"), [(60, 0.05, 0.0), (60, 0.05, 0.05), (19, 0.05, 0.0)]
)
def test_unchanged_production_is_flagged_no_more_often_than_stated(
    images: int, promised: float, defects: float
) -> None:
    """At a rate of 0.1, since a rarer alarm would need ten times the windows for the same certainty."""
    random = np.random.default_rng(images)
    rate, windows, flagged = 0.1, 120, 0
    for number in range(windows):
        calibration = calibrated(production(random, images), promised)
        table = production(random, 50)
        table[random.random(50) < defects] += 20.0  # seen by the detector, and looking like nothing before
        flagged += bool(
            find_drift(calibration, [window_of(table, 1 + 100 * number)], rate=rate).windows[0].alarmed
        )
    assert stats.binom.sf(flagged - 1, windows, rate) > 0.001


def test_the_test_equals_counting_every_arrangement() -> None:
    random = np.random.default_rng(1)
    old, new = random.integers(0, 4, (5, 3)).astype(float), random.integers(1, 6, (4, 3)).astype(float)
    both = np.concatenate([old, new])
    ranks = stats.rankdata(both, axis=0) - 5
    marks = np.hstack([ranks, np.abs(ranks) - np.abs(ranks).mean(axis=0)])
    sums = np.array([marks[list(chosen)].sum(axis=0) for chosen in combinations(range(9), 4)])
    steps = (sums / sums.std(axis=0)) ** 2
    extremes = steps[:, :3] + steps[:, 3:]
    observed = extremes[list(combinations(range(9), 4)).index((5, 6, 7, 8))]
    expected = (extremes.max(axis=1)[:, None] >= observed - 1e-9).mean(axis=0)
    error = 4 * np.sqrt(expected * (1 - expected) / PERMUTATIONS)
    assert (np.abs(compare([Stratum(old, new)], 0).p_values - expected) <= error + 1 / PERMUTATIONS).all()


def test_constant_quantities_and_empty_groups_are_no_alarm() -> None:
    same = Stratum(np.ones((30, 2)), np.ones((20, 2)))
    nothing = Stratum(np.ones((30, 2)), np.ones((0, 2)))
    for strata in ([same], [nothing], [same, nothing]):
        assert compare(strata, 0).p_values.tolist() == [1.0, 1.0]
    moved = Stratum(np.ones((30, 2)), np.tile([1.0, 2.0], (20, 1)))
    p_values = compare([moved], 0).p_values
    assert p_values[0] == 1.0
    assert p_values[1] == 1 / PERMUTATIONS


def test_a_window_gives_the_same_answer_every_time() -> None:
    random = np.random.default_rng(2)
    calibration, window = calibrated(production(random, 40)), window_of(production(random, 30))
    assert find_drift(calibration, [window]) == find_drift(calibration, [window])


# Power -------------------------------------------------------------------------------------------------------


def photographed(seed: int, images: int, change: Callable[[Any], Any] = lambda x: x) -> NDArray[np.float64]:
    """Real pixels: stripes of which every fortieth is damaged, with a score that does not care for the change."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(images):
        part = stripes(1000 * seed + number)
        is_bad = seed > 0 and number % 40 == 7
        pixels = change(blemish(part).astype(float) if is_bad else part.astype(float))
        rows.append(
            [random.gamma(4) + 30 * is_bad, *image_statistics(pixels.round().clip(0, 255).astype(np.uint8))]
        )
    return np.array(rows)


def narrow(pixels: Any) -> Any:
    """A line whose brightness is kept within a few per cent, as with a fixed lamp and exposure."""
    return 118 + (pixels - pixels.mean()) + (pixels[0, 0, 0] % 7 - 3)


@pytest.mark.parametrize(
    ("change", "name", "word"),
    [
        (lambda x: narrow(x) * 1.05, "brightness", "brighter than in calibration: median 12"),
        (lambda x: ndimage.gaussian_filter(narrow(x), (0.7, 0.7, 0)), "sharpness", "less sharp"),
        (lambda x: narrow(x) * [1.04, 1, 1], "red", "redder"),
    ],
)
def test_a_changed_line_is_seen_in_the_first_window(change: Any, name: str, word: str) -> None:
    calibration = calibrated(photographed(0, 60, narrow))
    changed, same = photographed(1, 50, change), photographed(2, 50, narrow)
    result = find_drift(calibration, [window_of(same, 1), window_of(changed, 100)])
    assert result.windows[0].alarmed == ()
    alarm = result.windows[1]
    assert name in alarm.alarmed
    assert alarm.words[alarm.alarmed.index(name)].startswith(word)
    assert alarm.p_value <= RATE
    assert alarm.quantities[name].p_value <= RATE < alarm.quantities["score"].p_value


def test_a_shift_of_scores_is_seen_below_the_threshold() -> None:
    random = np.random.default_rng(3)
    calibration = calibrated(production(random, 150))
    table = production(random, 50)
    table[:, 0] *= 1.5
    alarm = find_drift(calibration, [window_of(table)]).windows[0]
    assert "score" in alarm.alarmed
    assert "images below the threshold score higher" in alarm.words[alarm.alarmed.index("score")]


def test_a_change_that_makes_everything_anomalous_is_seen_by_the_count() -> None:
    random = np.random.default_rng(4)
    calibration = calibrated(production(random, 60))
    table = production(random, 50)
    table[:, 0] += 100
    table[:, 1] += 30
    alarm = find_drift(calibration, [window_of(table)]).windows[0]
    assert alarm.alarmed == (ANOMALIES,)
    assert alarm.words[0].startswith(
        "50 of 50 images are called anomalous: more than false alarms and 10% of defects"
    )
    assert "Unlike all calibration images: brightness" in alarm.words[0]


def test_the_count_is_compared_with_good_images_and_ordinary_defects() -> None:
    """Simulated: a calibration, good images ranked against it, and defects that are all found."""
    random = np.random.default_rng(5)
    counts = []
    for _ in range(2000):
        limit = np.sort(random.random(19))[-1]
        counts.append(np.where(random.random(50) < 0.1, True, random.random(50) > limit).sum())
    calibration = Calibration(tuple(np.arange(19.0)), 0.05)
    for above in (5, 8, 12, 20):
        scores = np.where(np.arange(50) < above, 30.0, 3.0)
        window = Inspections(np.arange(1, 51), scores, ("",) * 50, ({},) * 50)
        expected = np.mean(np.array(counts) >= above) / 0.2
        window_result = find_drift(calibration, [window]).windows[0]
        assert window_result.anomalous == above
        assert window_result.share_p_value == pytest.approx(min(1.0, expected), abs=0.12)


# Categories, and what cannot be said --------------------------------------------------------------------------


def test_another_mix_of_products_is_no_drift_but_a_change_within_one_is() -> None:
    random = np.random.default_rng(6)
    nuts, bolts = production(random, 40), production(random, 40)
    bolts[:, 1] += 50.0  # brighter by far
    both = np.concatenate([nuts, bolts])
    calibration = calibrated(both, categories=("nut",) * 40 + ("bolt",) * 40)
    table = production(random, 50)
    table[:40, 1] += 50.0  # four bolts to a nut
    categories = ("bolt",) * 40 + ("nut",) * 10
    steady = find_drift(calibration, [window_of(table, 1, categories)]).windows[0]
    assert steady.alarmed == ()
    assert steady.quantities["brightness"].reference == pytest.approx(np.median(bolts[:, 1]), abs=1.0)
    table[:40, 1] += 3.0
    assert find_drift(calibration, [window_of(table, 1, categories)]).windows[0].alarmed == ("brightness",)


def test_images_of_no_known_category_are_named_and_not_compared() -> None:
    random = np.random.default_rng(7)
    calibration = calibrated(production(random, 40), categories=("nut", "bolt") * 20)
    table = production(random, 30)
    table[:, 1] += 1000
    result = find_drift(calibration, [window_of(table)])
    assert result.windows[0].alarmed == ()
    assert result.windows[0].count == 0
    assert (
        result.note == "30 images are of no calibrated category and are not compared; give each its category"
    )
    json.dumps(result.to_record())


def test_with_too_few_calibration_images_nothing_is_claimed() -> None:
    random = np.random.default_rng(8)
    table = production(random, 50)
    table[:, 1:] += 1000
    result = find_drift(calibrated(production(random, 2), rate=0.4), [window_of(table)])
    assert "2 calibration images are too few" in result.note
    assert set(result.windows[0].alarmed) <= {ANOMALIES}
    enough = find_drift(calibrated(production(random, 5), rate=0.4), [window_of(table)])
    assert enough.note == ""


def test_without_statistics_only_scores_are_compared_and_that_is_said() -> None:
    random = np.random.default_rng(9)
    table = production(random, 50)
    bare = replace(calibrated(production(random, 40)), statistics=())
    result = find_drift(bare, [window_of(table)])
    assert result.names == ("score",)
    assert "twinspect calibrate" in result.note
    window = replace(window_of(table), statistics=({},) * 50)
    result = find_drift(calibrated(production(random, 40)), [window])
    assert list(result.windows[0].quantities) == ["score"]
    assert "without image statistics" in result.note
    assert "other fits" in find_drift(replace(bare, kind="cv"), [window]).note


def test_the_record_is_plain_and_complete() -> None:
    random = np.random.default_rng(10)
    result = find_drift(calibrated(production(random, 40)), [window_of(production(random, 50), 7)])
    record = json.loads(json.dumps(result.to_record()))
    assert record["false_alarm_rate"] == 0.01
    assert record["features"] == ["score", *ImageStatistics._fields]
    assert record["reference"]["count"] == 40
    window = record["windows"][0]
    assert (window["from"], window["to"], window["count"]) == (7, 56, 50)
    assert set(window["looks"]) == set(ImageStatistics._fields)
    assert window["looks"]["contrast"] == {
        "p_value": 1.0,
        "median": 40.0,
        "reference": 40.0,
        "noticeable": 0.0,
    }
    smallest = min(each["p_value"] for each in (window["score"], *window["looks"].values()))
    assert window["p_value"] == min(smallest, window["anomaly_p_value"])


def test_every_quantity_has_words() -> None:
    assert set(DIRECTIONS) == {"score", *ImageStatistics._fields}
    assert (
        quantity_in_words("noise", 4.0, 3.0, 1.0, -3.0) == "noise varies less than in calibration; median 4"
    )


@pytest.mark.parametrize(
    ("rate", "defects"), [(0.0, 0.1), (0.0001, 0.1), (1.0, 0.1), (0.01, 1.0), (0.01, -0.1)]
)
def test_other_rates_are_refused(rate: float, defects: float) -> None:
    with pytest.raises(ConfigError, match=r"rate from 0\.001"):
        find_drift(Calibration((1.0, 2.0), 0.4), [], rate=rate, defects=defects)


# Another rate -------------------------------------------------------------------------------------------------


def test_another_rate_equals_deciding_again_one_by_one() -> None:
    random = np.random.default_rng(11)
    categories = ("nut",) * 30 + ("bolt",) * 30
    calibration = Calibration(tuple(random.random(60)), 0.05, categories=categories)
    scores = random.random(200)
    shown = tuple(random.choice(["nut", "bolt", "", "screw"], 200))
    verdicts = tuple(random.choice(["good", "defect", "unsure", None], 200))
    decided = [bool(calibration.of(c).is_anomalous([s])[0]) for s, c in zip(scores, shown, strict=True)]
    result = what_if(
        calibration,
        0.2,
        ids=range(500, 700),
        scores=scores,
        is_anomalous=decided,
        verdicts=verdicts,
        categories=shown,
    )
    other = replace(calibration, false_alarm_rate=0.2)
    again = [bool(other.of(c).is_anomalous([s])[0]) for s, c in zip(scores, shown, strict=True)]
    assert result.threshold == calibration.threshold_at(0.2)
    assert result.thresholds == {name: other.of(name).threshold for name in ("nut", "bolt")}
    assert result.images == 200
    assert result.anomalous_recent == sum(again)
    assert result.changed == tuple(500 + n for n in range(200) if again[n] != decided[n])
    good = [n for n in range(200) if verdicts[n] == "good"]
    bad = [n for n in range(200) if verdicts[n] == "defect"]
    assert (result.confirmed_good, result.confirmed_defects) == (len(good), len(bad))
    assert result.false_alarms_among_confirmed_good == sum(again[n] for n in good)
    assert result.missed_among_confirmed_defects == sum(not again[n] for n in bad)
    json.dumps(result.to_record())


def test_rates_that_cannot_be_promised_are_refused() -> None:
    nothing: dict[str, Any] = {"ids": (), "scores": (), "is_anomalous": (), "verdicts": (), "categories": ()}
    calibration = Calibration((1.0, 2.0, 3.0), 0.25)
    assert what_if(calibration, 0.5, **nothing).anomalous_recent == 0
    with pytest.raises(CalibrationError, match=r"the smallest rate these can promise is 0\.25"):
        what_if(calibration, 0.1, **nothing)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        what_if(calibration, 1.5, **nothing)


# The verdict --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [40, 200])
def test_a_change_of_the_stated_size_is_noticed_nine_times_out_of_ten(images: int) -> None:
    """Brightness moves by what is said to be noticeable, or by a third of it."""
    random = np.random.default_rng(images)
    noticed, hardly, trials = 0, 0, 60
    for _ in range(trials):
        calibration = calibrated(random.standard_normal((images, 1 + KINDS)))
        table = random.standard_normal((50, 1 + KINDS))
        window = find_drift(calibration, [window_of(table)]).windows[0]
        shift = window.quantities["brightness"].noticeable
        assert shift is not None
        for share in (1.0, 1 / 3):
            moved = table.copy()
            moved[:, 1] += share * shift
            found = "brightness" in find_drift(calibration, [window_of(moved)]).windows[0].alarmed
            noticed, hardly = noticed + (found and share == 1), hardly + (found and share < 1)
    assert stats.binomtest(noticed, trials, POWER).pvalue > 0.001
    assert hardly / trials < 0.4


def test_the_noticeable_shift_is_the_power_of_the_rank_sum_test() -> None:
    """Against a simulation of SciPy's test, with the critical value of one quantity at 5 %."""
    random, old, new = np.random.default_rng(3), 60, 40
    shift = noticeable_shift(float(stats.norm.ppf(0.975)) ** 2, [(old, new)])
    assert shift is not None
    pairs = [(random.standard_normal(old), random.standard_normal(new) + shift) for _ in range(800)]
    power = np.mean([stats.ranksums(*pair).pvalue < 0.05 for pair in pairs])
    assert power == pytest.approx(POWER, abs=0.04)


def test_what_few_images_cannot_show_is_not_called_noticeable() -> None:
    assert noticeable_shift(10.0, [(2, 3)]) is None
    assert noticeable_shift(10.0, []) is None
    assert noticeable_shift(np.inf, [(500, 500)]) is None


def quiet_and_bright(random: np.random.Generator, bright: Sequence[bool]) -> list[Inspections]:
    tables = [production(random, 50) for _ in bright]
    for table, changed in zip(tables, bright, strict=True):
        table[:, 1] += 30.0 * changed
    return [window_of(table, first=1 + 50 * number) for number, table in enumerate(tables)]


@pytest.mark.parametrize(
    ("bright", "state", "since", "words"),
    [
        ((), "waiting", None, "no window is full"),
        ((False, False), "quiet", None, "all 2 windows look like the calibration"),
        ((True, False, False), "earlier", None, "1 of 3 windows raised an alarm"),
        ((False, True), "alarm", 51, "brighter than in calibration"),
        ((True, False, True, True), "alarm", 101, "brighter than in calibration"),
    ],
)
def test_one_verdict_that_the_windows_agree_with(
    bright: tuple[bool, ...], state: str, since: int | None, words: str
) -> None:
    random = np.random.default_rng(11)
    calibration = calibrated(production(random, 200))
    drift = find_drift(calibration, quiet_and_bright(random, bright))
    verdict = verdict_record(drift)
    assert (verdict["state"], verdict["since"]) == (state, since)
    assert words in verdict["text"]
    assert (state == "alarm") == bool(drift.windows and drift.windows[-1].alarmed)


def test_few_calibration_images_are_never_called_quiet() -> None:
    """Two images can test nothing but the number of anomalous ones, and of eight not even that."""
    random = np.random.default_rng(5)
    few = find_drift(calibrated(production(random, 2), 0.34), [window_of(production(random, 8))])
    assert (verdict_record(few)["state"], few.windows[0].flagged_from) == ("untested", None)
    assert {quantity.noticeable for quantity in few.windows[0].quantities.values()} == {None}


def test_an_alarm_of_the_number_of_anomalous_images_is_the_smallest_that_is_stated() -> None:
    random = np.random.default_rng(9)
    calibration = calibrated(production(random, 100))
    table = production(random, 50)
    table[:, 0] = calibration.threshold - 0.01
    start = find_drift(calibration, [window_of(table)]).windows[0].flagged_from
    assert start is not None
    for many in (start - 1, start):
        table[:many, 0] = calibration.threshold + 1
        assert (ANOMALIES in find_drift(calibration, [window_of(table)]).windows[0].alarmed) == (
            many == start
        )
