"""A new calibration keeps the earlier ones, and each comes back exactly."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import stripes
from twinspect.bundle import calibration_history
from twinspect.bundle.calibration_history import restore_earlier
from twinspect.cli import main
from twinspect.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = np.stack([stripes(700 + number) for number in range(20)])


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bundle, tmp_path / "m.twin")


def record(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "model.json").read_text())
    return found


def without_digest(model: Path) -> dict[str, Any]:
    return {key: value for key, value in record(model).items() if key != "digest"}


def test_each_earlier_calibration_comes_back_exactly(copy: Path) -> None:
    states = [without_digest(copy)]
    assert "earlier_calibrations" not in states[0]
    for images, rate in ((GOOD[:10], 0.1), (GOOD[10:], 0.2)):
        detector = ts.load(copy).calibrate(images, false_alarm_rate=rate)
        detector.save_calibration(copy)
        states.append(without_digest(copy))
    ts.load(copy).set_rate(0.5).save_calibration(copy)
    entries = record(copy)["earlier_calibrations"]
    assert [entry["calibration"] for entry in entries] == [state["calibration"] for state in states]
    assert all(entry["replaced"].endswith("+00:00") for entry in entries)
    for state in reversed(states):
        restore_earlier(copy)
        assert without_digest(copy) == state
    with pytest.raises(ConfigError, match="no earlier calibration"):
        restore_earlier(copy)


def test_the_command_says_old_and_new_and_undoes(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = ts.load(copy).calibration_
    assert main(["calibrate", str(copy), "--false-alarm-rate", "0.5"]) == 0
    second = ts.load(copy).calibration_
    assert f"threshold {first.threshold:.6g} -> {second.threshold:.6g}" in capsys.readouterr().out
    assert main(["calibrate", str(copy), "--undo", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["previous_threshold"], result["threshold"]) == (second.threshold, first.threshold)
    assert ts.load(copy).calibration_ == first
    assert main(["calibrate", str(copy), "--undo"]) == 2
    assert "no earlier calibration" in capsys.readouterr().err
    assert main(["calibrate", str(copy), "--undo", "--false-alarm-rate", "0.5"]) == 2
    assert "leave out" in capsys.readouterr().err


def test_saving_a_loaded_detector_keeps_them_too(copy: Path, tmp_path: Path) -> None:
    first = record(copy)["calibration"]
    ts.load(copy).set_rate(0.5).save(copy)
    ts.load(copy).save(tmp_path / "other.twin")
    restore_earlier(tmp_path / "other.twin")
    assert record(tmp_path / "other.twin")["calibration"] == first


def test_a_calibration_of_another_process_is_not_lost(copy: Path) -> None:
    one, two = ts.load(copy), ts.load(copy)
    one.set_rate(0.5).save_calibration(copy)
    two.set_rate(0.6).save_calibration(copy)
    rates = [entry["calibration"]["false_alarm_rate"] for entry in record(copy)["earlier_calibrations"]]
    assert rates[-1] == 0.5
    assert ts.load(copy).calibration_.false_alarm_rate == 0.6


def test_the_history_is_bounded_in_number_and_size(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = ts.load(copy)
    for number in range(15):
        detector.set_rate(0.5 + 0.01 * number)
    assert len(detector.earlier_calibrations_) == 10
    assert detector.earlier_calibrations_[-1]["calibration"]["false_alarm_rate"] == pytest.approx(0.63)
    monkeypatch.setattr(calibration_history, "MOST_BYTES", 1)
    detector.set_rate(0.9)
    assert len(detector.earlier_calibrations_) == 1


def test_a_refused_calibration_changes_nothing(copy: Path) -> None:
    detector = ts.load(copy)
    with pytest.raises(ts.errors.CalibrationError):
        detector.calibrate(GOOD[:3], false_alarm_rate=0.01)
    with pytest.raises(ts.errors.CalibrationError):
        detector.set_rate(0.0001)
    assert not detector.earlier_calibrations_
