"""One model over several categories: balanced in training, a threshold of its own for each, both reported."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import QUICK, blemish, stripes, write_image
from twinspect.cli import main
from twinspect.errors import ConfigError
from twinspect.training.batch_plan import epoch_order

if TYPE_CHECKING:
    from pathlib import Path


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_epoch_of_one_category_is_a_permutation() -> None:
    drawn = epoch_order([list(range(10, 20))], generator())
    assert drawn == [10 + place for place in torch.randperm(10, generator=generator()).tolist()]


def test_an_epoch_shows_categories_equally_often_however_many_images_they_have() -> None:
    small, large = [0, 1], list(range(2, 42))
    seen: Counter[int] = Counter()
    for epoch in range(50):
        drawn = epoch_order([small, large], generator(epoch))
        assert len(drawn) == 42
        assert [number in small for number in drawn] == [True, False] * 21  # in turns: any batch is balanced
        assert set(small) <= set(drawn)
        seen.update(drawn)
    assert all(seen[number] > 0 for number in large)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two products in MVTec layout: plain stripes, and stripes under strong noise, with few images."""
    root = tmp_path_factory.mktemp("line")
    random = np.random.default_rng(0)
    for name, count, noise in (("calm", 30, 0), ("noisy", 16, 60)):

        def draw(seed: int, noise: int = noise) -> np.ndarray:
            grain = random.normal(0, noise, (48, 48, 1))
            return (stripes(seed) + grain).clip(0, 255).astype(np.uint8)

        for number in range(count):
            write_image(root / name / "train" / "good" / f"{number}.png", draw(number))
        for number in range(4):
            write_image(root / name / "test" / "good" / f"{number}.png", draw(100 + number))
            write_image(root / name / "test" / "square" / f"{number}.png", blemish(draw(200 + number)))
    return root


@pytest.fixture(scope="module")
def detector(line: Path) -> ts.Detector:
    return ts.Detector("mkd", **{**QUICK, "steps": 30}).fit(line)


def test_each_category_has_its_own_threshold(detector: ts.Detector, line: Path) -> None:
    calibration = detector.calibration_
    assert Counter(calibration.categories) == {"calm": 12, "noisy": 6}
    # Six images cannot promise 10 %, so they have no say in the rate and share the pooled threshold.
    assert calibration.false_alarm_rate == pytest.approx(0.1)
    assert set(calibration.by_category) == {"calm"}
    found = detector.score(line / "calm" / "test" / "good", maps=False)
    told = detector.score(line / "calm" / "test" / "good", maps=False, category="calm")
    np.testing.assert_array_equal(found.image, told.image)
    np.testing.assert_array_equal(found.p_value, calibration.p_values(found.image))
    np.testing.assert_array_equal(told.p_value, calibration.of("calm").p_values(told.image))


def test_what_the_data_says_of_categories_is_used(detector: ts.Detector, line: Path) -> None:
    found = detector.score(line, maps=False)
    for place, category in enumerate(found.categories):
        expected = detector.calibration_.of(category).p_values(found.image[place : place + 1])
        assert found.p_value[place] == expected[0]


def test_an_unknown_category_is_refused_by_name(detector: ts.Detector, line: Path) -> None:
    with pytest.raises(ConfigError, match=r"no category 'clam'; did you mean 'calm'"):
        detector.score(line / "calm" / "test" / "good", category="clam")


def test_saved_and_loaded_it_decides_the_same(detector: ts.Detector, line: Path, tmp_path: Path) -> None:
    detector.save(tmp_path / "line.twin")
    again = ts.load(tmp_path / "line.twin", device="cpu").score(line, maps=False)
    np.testing.assert_array_equal(again.p_value, detector.score(line, maps=False).p_value)


def test_the_command_line_takes_the_category_and_the_report_shows_both_thresholds(
    detector: ts.Detector, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, images = str(tmp_path / "line.twin"), str(line / "calm" / "test" / "good")
    detector.save(model)
    assert main(["score", model, images, "--category", "calm", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["category"] for row in rows} == {"calm"}
    assert main(["score", model, images, "--category", "clam"]) == 2
    assert main(["evaluate", model, str(line), "--out", str(tmp_path / "out")]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    calibration = detector.calibration_
    assert metrics["categories"]["calm"]["threshold"] == calibration.of("calm").threshold
    assert (
        metrics["categories"]["noisy"]["threshold"] == metrics["pooled"]["threshold"] == calibration.threshold
    )
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "False alarms, pooled threshold" in report
    assert f"{calibration.of('calm').threshold:.4g}" in report
