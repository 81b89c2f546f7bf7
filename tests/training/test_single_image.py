"""A fit on one good image: it ranks, changed copies set the threshold, and it says that it promises nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, blemish, quick, stripes, write_image
from twinspect.cli import main
from twinspect.data import open_data
from twinspect.training.augmentation import COPIES, KINDS, Augmentation
from twinspect.training.fitting import HELD_OUT_COPIES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("method", ["patchcore", "hybrid"])
def test_it_ranks_and_the_threshold_is_the_highest_score_of_copies(method: str, tmp_path: Path) -> None:
    write_image(tmp_path / "one" / "part.png", stripes(1))
    detector = ts.Detector(method, **quick(method, steps=20), augment="shift").fit(tmp_path / "one")
    (sample,) = open_data(tmp_path / "one")
    held_out = Augmentation(tuple(KINDS), detector.seed).copies(sample, HELD_OUT_COPIES, 1 + COPIES)
    scores = [row.score for row in detector.raw_scores([sample, *held_out], maps=False)]
    calibration = detector.calibration_
    assert calibration.kind == "copies"
    assert calibration.scores == (pytest.approx(max(scores), rel=1e-5),)
    assert (calibration.names, detector.data_["train"]) == (("part.png",), 1)
    good, bad = (detector.score(image[None]).image[0] for image in (stripes(1), blemish(stripes(1))))
    assert bad > calibration.threshold >= good
    detector.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    assert loaded.calibration_ == calibration
    loaded.calibrate(np.stack([stripes(number) for number in range(2, 6)]), say=lambda _: None)
    assert (loaded.calibration_.kind, loaded.calibration_.false_alarm_rate) == ("split", 0.2)


def test_the_commands_say_that_nothing_is_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, model = str(write_image(tmp_path / "part.png", stripes(1))), str(tmp_path / "m.twin")
    options = ("--method", "patchcore", *AS_ARGUMENTS, "--size", "64", "--device", "cpu")
    assert main(["fit", image, "--out", model, *options]) == 0
    assert "no false-alarm rate can be promised from a single good image" in capsys.readouterr().out
    assert main(["score", model, image, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["p_value"] == 1.0
    assert main(["doctor", image]) == 0
    assert "promises no false-alarm rate" in capsys.readouterr().out
    for name, drawn in (("good", stripes(2)), ("scratch", blemish(stripes(3)))):
        write_image(tmp_path / "parts" / "test" / name / "0.png", drawn)
    assert main(["evaluate", model, str(tmp_path / "parts"), "--out", str(tmp_path / "report")]) == 0
    assert "Nothing was promised." in (tmp_path / "report" / "report.html").read_text()
