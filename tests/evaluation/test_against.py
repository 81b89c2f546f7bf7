"""`evaluate --against`: two versions on the images that neither has learnt from, each at its own threshold."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from sklearn.metrics import roc_auc_score

import twinspect as ts
from drawn_parts import QUICK
from twinspect.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def versions(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("versions")
    for name, steps in (("old", 4), ("new", 40)):
        ts.Detector("mkd", **{**QUICK, "steps": steps}).fit(parts).save(folder / f"{name}.twin")
    return folder / "old.twin", folder / "new.twin"


def test_both_are_counted_on_images_that_neither_learnt_from(
    versions: tuple[Path, Path], parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(parts / "test", data / "test")
    for number in range(24):  # some of these were learnt from, the others held out
        shutil.copyfile(parts / "train" / "good" / f"{number}.png", data / "test" / "good" / f"t{number}.png")
    old, new = versions
    out = tmp_path / "out"
    assert main(["evaluate", str(new), str(data), "--out", str(out), "--against", str(old), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["comparison"]
    found = json.loads((out / "comparison.json").read_text())
    assert printed == found

    held_out = {name.rpartition("/")[2] for name in ts.load(old).calibration_.names}
    good = [data / "test" / "good" / f"t{name}" for name in held_out]
    good += [data / "test" / "good" / f"{number}.png" for number in range(6)]
    defects = [data / "test" / "square" / f"{number}.png" for number in range(6)]
    for version, folder in (("old", old), ("new", new)):
        rows = ts.load(folder).score([*good, *defects])
        alarms = [bool(row) for row in rows.is_anomalous]
        result = found["kept"][version]
        assert (result["good"], result["defects"]) == (len(good), len(defects))
        assert result["false_alarms"] == sum(alarms[: len(good)])
        assert result["misses"] == len(defects) - sum(alarms[len(good) :])
        labels = [0] * len(good) + [1] * len(defects)
        assert result["image_auroc"] == pytest.approx(roc_auc_score(labels, rows.image), abs=1e-12)


def test_a_version_compared_with_itself_is_not_worse(
    versions: tuple[Path, Path], parts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    new = str(versions[1])
    assert main(["evaluate", new, str(parts), "--out", str(out), "--against", new]) == 0
    found = json.loads((out / "comparison.json").read_text())
    assert (found["worse"], found["reasons"]) == (False, [])
    assert found["kept"]["old"] == found["kept"]["new"]


def test_held_out_images_are_tested_when_asked_and_named(
    versions: tuple[Path, Path], parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    for number in range(24):
        target = data / "test" / "good" / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(parts / "train" / "good" / f"{number}.png", target)
    model = versions[1]
    assert main(["evaluate", str(model), str(data), "--out", str(tmp_path / "none")]) == 2
    assert "fitted or calibrated on all 24 test images" in capsys.readouterr().err
    out = tmp_path / "out"
    assert main(["evaluate", str(model), str(data), "--out", str(out), "--held-out"]) == 0
    calibration = ts.load(model).calibration_
    found = json.loads((out / "metrics.json").read_text())
    held_out = {name.rpartition("/")[2] for name in calibration.names}
    assert {name.rpartition("/")[2] for name in found["learnt_from"]["held_out"]} == held_out
    assert len(found["learnt_from"]["left_out"]) == 24 - len(held_out)
    rate = sum(score > calibration.threshold for score in calibration.scores) / len(calibration.scores)
    assert found["pooled"]["false_alarm_rate"] == pytest.approx(rate, abs=1e-12)
    assert f"{len(held_out)} of 24 good images set the threshold" in (out / "report.html").read_text()
