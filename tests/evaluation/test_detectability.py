"""What a detector would find: by bisection, at the model's own threshold, kept with the model and said in words."""

from __future__ import annotations

import json
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import beta

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, QUICK, stripes, write_image
from twinspect.calibration.conformal import Calibration
from twinspect.calibration.detectability import Detectability, Trial
from twinspect.cli import main
from twinspect.cli.usability import warning
from twinspect.evaluation import detectability as measured
from twinspect.evaluation.detectability import SIZES, TRIED, measure_detectability
from twinspect.synthesis.defects import DEFECTS

if TYPE_CHECKING:
    from pathlib import Path

CALIBRATION = Calibration((0.0, 1.0), 0.4)
GOOD = np.stack([stripes(seed) for seed in range(24)])


@pytest.fixture(autouse=True)
def _as_many_defects_as_a_user_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "TRIED", TRIED)


@pytest.fixture(scope="module")
def detector() -> ts.Detector:
    return ts.Detector("rd", **QUICK | {"steps": 2}).fit(GOOD)


def of_rates(**found: dict[float, int]) -> Detectability:
    """Defects of which so many are found at each size."""
    trials = {
        kind: tuple(Trial(size, (2.0,) * many + (0.5,) * (30 - many)) for size, many in sorted(rates.items()))
        for kind, rates in found.items()
    }
    sizes = (0.01, 0.02, 0.04, 0.1, 0.25)
    return Detectability({kind: f"{kind}s" for kind in found}, trials, ("",) * 30, 0.01, 1.0, sizes, 640.0)


def test_the_size_is_the_smallest_from_which_on_nine_of_ten_are_found() -> None:
    found = of_rates(spot={0.02: 30, 0.04: 26, 0.1: 27, 0.25: 30}, dent={0.25: 26}, hair={0.01: 30, 0.25: 30})
    spot, dent, hair = found.findings(CALIBRATION)
    assert (spot.size, spot.found, spot.tried) == (0.1, 27, 30)
    assert spot.interval == pytest.approx((beta.ppf(0.025, 27, 4), beta.ppf(0.975, 28, 3)))
    assert (dent.size, dent.tried_size, dent.found) == (None, 0.25, 26)
    assert (spot.or_less, hair.or_less) == (False, True)
    assert (spot.pixels, hair.pixels) == (64, 6)
    words = found.in_words(CALIBRATION)
    assert "synthetic defects, not real ones" in words
    assert "spots from 10 %, 64 px (27 of 30; 95 % interval 73 to 98 %)" in words
    assert "dents: not even the largest (25 %, 160 px: 26 of 30" in words
    assert "hairs from 1 %, 6 px or less" in words


def test_a_size_is_not_called_the_smallest_where_the_next_smaller_one_was_not_tried() -> None:
    (spot,) = of_rates(spot={0.1: 30, 0.25: 30}).findings(CALIBRATION)
    assert (spot.size, spot.or_less) == (0.1, True)
    (spot,) = of_rates(spot={0.04: 3, 0.1: 30, 0.25: 30}).findings(CALIBRATION)
    assert (spot.size, spot.or_less) == (0.1, False)


def test_records_of_earlier_versions_have_neither_sizes_nor_pixels() -> None:
    record = of_rates(spot={0.01: 30, 0.25: 30}).to_record()
    del record["sizes"], record["side"]
    old = Detectability.from_record(record)
    assert "spots from 1 % or less" in old.in_words(CALIBRATION)


def test_after_a_cross_validation_the_images_are_not_called_held_out() -> None:
    words = of_rates(spot={0.25: 30}).in_words(replace(CALIBRATION, kind="cv"))
    assert "on images that it was fitted on" in words


def test_a_new_threshold_gives_new_figures_without_new_scores() -> None:
    found = of_rates(spot={0.02: 27, 0.25: 30})
    assert found.findings(CALIBRATION)[0].size == 0.02
    higher = replace(CALIBRATION, scores=(0.0, 3.0))
    assert found.findings(higher)[0].size is None
    assert found.is_useless(higher)


def test_a_model_is_useless_where_it_finds_nine_of_ten_of_no_kind() -> None:
    assert of_rates(a={0.25: 26}, b={0.25: 0}, c={0.1: 30, 0.25: 26}).is_useless(CALIBRATION)
    assert not of_rates(a={0.25: 0}, b={0.25: 0}, c={0.25: 27}).is_useless(CALIBRATION)


def test_the_record_is_json_and_gives_the_same_again() -> None:
    found = of_rates(spot={0.02: 27, 0.25: 30}, dent={0.25: 26})
    assert Detectability.from_record(json.loads(json.dumps(found.to_record()))) == found


@pytest.mark.parametrize("limit", [0, 1, 4, 7, 8])
def test_bisection_finds_the_size_in_three_more_trials(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    class Bench:
        categories, side = ("",) * TRIED, 100.0
        detector = type("D", (), {"calibration_": CALIBRATION})

        def score(self, _kind: str, size: float) -> Trial:
            tried.append(size)
            return Trial(size, (2.0 if SIZES.index(size) >= limit else 0.5,) * TRIED)

    monkeypatch.setattr(measured, "DEFECTS", {"spot": DEFECTS["spot"]})
    search = measured._Search(Bench(), measured.NoProgress())  # type: ignore[arg-type]
    search.run(None)
    finding = search.result(0.0).findings(CALIBRATION)[0]
    assert finding.size == (SIZES[limit] if limit < len(SIZES) else None)
    assert len(tried) == len(set(tried)) <= 4


def test_without_time_the_largest_are_tried_and_nothing_else(detector: ts.Detector) -> None:
    found = measure_detectability(detector, GOOD, seconds=0)
    assert {kind: [trial.size for trial in trials] for kind, trials in found.trials.items()} == {
        kind: [SIZES[-1]] for kind in DEFECTS
    }
    assert all(len(trials[0].scores) == TRIED for trials in found.trials.values())


def test_it_repeats_and_changes_neither_threshold_nor_scores(detector: ts.Detector) -> None:
    before, scores = detector.calibration_, detector.score(GOOD[:2]).image
    one, two = (measure_detectability(detector, GOOD, seconds=0) for _ in range(2))
    assert one.trials == two.trials
    assert detector.calibration_ == before
    assert np.array_equal(detector.score(GOOD[:2]).image, scores)


def test_only_images_that_were_held_out_get_defects(detector: ts.Detector) -> None:
    names = {sample.name for sample in measured._held_out(detector, GOOD)}
    assert names <= set(detector.calibration_.names)


def test_it_is_kept_with_the_model(detector: ts.Detector, tmp_path: Path) -> None:
    detector.detectability_ = measure_detectability(detector, GOOD, seconds=0)
    detector.save(tmp_path / "m.twin")
    assert ts.load(tmp_path / "m.twin").detectability_ == detector.detectability_


def test_where_one_good_image_sets_the_threshold_a_fit_without_it_is_the_first_advice(
    detector: ts.Detector,
) -> None:
    outlier = copy(detector)
    scores = (*np.linspace(1, 2, 19).tolist(), 1e6)
    outlier.calibration_ = Calibration(scores, 0.05, names=tuple(f"{n} a.png" for n in range(20)))
    outlier.detectability_ = of_rates(spot={0.25: 0})
    typed = ["fit", "my parts", "--method", "rd", "--out", "m.twin"]
    advice = warning(outlier, typed, 9.0).splitlines()[1]
    assert "as 19 a.png may: " in advice
    assert advice.endswith("twinspect fit 'my parts' --method rd --out m.twin --exclude-suspects --overwrite")
    assert "unlike the others" not in warning(outlier, [*typed, "--exclude-suspects"], 9.0)
    outlier.calibration_ = Calibration(scores[:-1], 0.05)
    assert "unlike the others" not in warning(outlier, typed, 9.0)


def test_advice_to_one_who_named_no_method_names_none_either(detector: ts.Detector) -> None:
    useless = copy(detector)
    useless.method = None
    useless.detectability_ = of_rates(spot={0.25: 0})
    advice = warning(useless, ["fit", "parts", "--out", "m.twin"], 9.0)
    assert "larger: twinspect fit parts --out m.twin --size 256" in advice
    assert "another method: twinspect fit parts --out m.twin --method" in advice


def test_fit_says_it_and_inspect_repeats_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, pixels in enumerate(GOOD):
        write_image(tmp_path / "good" / f"{index}.png", pixels)
    out = tmp_path / "m.twin"
    fit = ["fit", str(tmp_path / "good"), "--out", str(out), "--method", "rd", "--size", "64", "--steps", "1"]
    assert main([*fit, *AS_ARGUMENTS]) == 0
    text = capsys.readouterr().out
    assert "synthetic defects, not real ones" in text
    assert "NOT USABLE YET" in text
    kept = f"fit {tmp_path / 'good'} --out {out} {' '.join(AS_ARGUMENTS)}".partition(" --size")[0]
    assert f"larger: twinspect {kept}" in text
    assert "--method rd --size 256 --steps 100 --overwrite" in text
    assert main(["inspect", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "spots: not even the largest" in shown
    assert "NOT USABLE YET" in shown
    assert "fitted: 20" in shown
    assert main(["inspect", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["would_find"]["usable"] is False
    assert record["calibration"]["threshold"] == ts.load(out).calibration_.threshold


def test_fit_leaves_it_out_if_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, pixels in enumerate(GOOD):
        write_image(tmp_path / "good" / f"{index}.png", pixels)
    out = tmp_path / "m.twin"
    fit = ["fit", str(tmp_path / "good"), "--out", str(out), "--method", "rd", "--size", "64", "--steps", "1"]
    assert main([*fit, *AS_ARGUMENTS, "--no-detectability"]) == 0
    assert "would find" not in capsys.readouterr().out
    assert "detectability" not in json.loads((out / "model.json").read_text())
    assert main(["inspect", str(out)]) == 0
    assert "was not measured" in capsys.readouterr().out


def test_old_models_are_inspected_too(
    capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    for folder in sorted((pytestconfig.rootpath / "tests" / "bundles").glob("*/model.json")):
        assert main(["inspect", str(folder.parent)]) == 0
        assert "false alarms" in capsys.readouterr().out
