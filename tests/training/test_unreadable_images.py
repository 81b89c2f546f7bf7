"""One unreadable photograph stops neither a fit nor a calibration: it is named, left out and recorded."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, QUICK, stripes, write_image
from twinspect.cli import main
from twinspect.data import pixels
from twinspect.errors import CalibrationError, DataError, ImageError
from twinspect.training import first_reading, training_inputs
from twinspect.training.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

BRIEFLY = {**QUICK, "steps": 2}
FIT = (
    "--method",
    "mkd",
    *AS_ARGUMENTS,
    "--size",
    "64",
    "--steps",
    "2",
    "--device",
    "cpu",
    "--batch-size",
    "8",
)


def silent(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Ten good images and three that cannot be read, each in its own way."""
    for number in range(10):
        write_image(tmp_path / "good" / f"{number:02d}.png", stripes(number))
    (tmp_path / "good" / "empty.png").write_bytes(b"")
    (tmp_path / "good" / "text.png").write_text("not an image")
    whole = (tmp_path / "good" / "00.png").read_bytes()
    (tmp_path / "good" / "cut.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "good"


def without_them(good: Path, place: Path) -> Path:
    """The same folder without the files that cannot be read."""
    return shutil.copytree(good, place, ignore=shutil.ignore_patterns("empty.png", "text.png", "cut.png"))


def test_the_fit_is_that_of_the_readable_images(good: Path, tmp_path: Path) -> None:
    with pytest.warns() as warned:
        detector = ts.Detector("mkd", **BRIEFLY).fit(good)
    messages = [str(warning.message) for warning in warned]
    for name in ("empty.png", "text.png", "cut.png"):
        assert any(name in message for message in messages)
    assert messages[-1] == "3 of the 13 images cannot be read: left out"
    assert set(detector.unreadable_) == {"empty.png", "text.png", "cut.png"}
    record = detector.data_["unreadable"]
    assert record["count"] == 3
    assert "is empty" in record["reasons"]["empty.png"]
    expected = ts.Detector("mkd", **BRIEFLY).fit(without_them(good, tmp_path / "clean"))
    assert detector.calibration_ == expected.calibration_
    assert detector.data_["fingerprint"] == expected.data_["fingerprint"]
    assert "unreadable" not in expected.data_
    for one, other in zip(
        detector.model_.state_dict().values(), expected.model_.state_dict().values(), strict=True
    ):
        assert one.equal(other)


def test_the_command_names_them_and_ends_with_three(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(good), "--out", str(tmp_path / "m.twin"), *FIT, "--json"]) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["unreadable"] == 3
    assert "text.png: is not an image" in captured.err
    assert json.loads((tmp_path / "m.twin" / "model.json").read_text())["data"]["unreadable"]["count"] == 3


def test_strict_refuses_before_the_training(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Trainer, "fit", train)
    assert main(["fit", str(good), "--out", str(tmp_path / "m.twin"), *FIT, "--strict"]) == 2
    err = capsys.readouterr().err
    assert "cut.png" in err
    assert "3 of the 13 images cannot be read" in err
    with pytest.raises(ImageError):
        ts.Detector("mkd", **BRIEFLY).fit(good, strict=True)


def test_too_few_readable_images_for_the_rate_say_why(good: Path) -> None:
    with pytest.raises(CalibrationError, match=r"at most 40 % of 10.*3 of the 13 images cannot be read"):
        ts.Detector("mkd", **BRIEFLY, false_alarm_rate=0.17).fit(good, say=silent)


def test_only_unreadable_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in range(4):
        (tmp_path / "d" / f"{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of the good images can be read"):
        ts.Detector("mkd", **BRIEFLY).fit(tmp_path / "d", say=silent)


def test_an_interrupted_fit_resumes_with_the_same_images(good: Path, tmp_path: Path) -> None:
    class Stop:
        def start(self, *_: Any) -> None: ...

        def finish(self) -> None: ...

        def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
            if loss is not None:
                raise KeyboardInterrupt

    settings = {**BRIEFLY, "steps": 6}
    expected = ts.Detector("mkd", **settings).fit(good, say=silent)
    detector = ts.Detector("mkd", **settings)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(good, say=silent, progress=Stop(), checkpoint=tmp_path / "c")
    detector.fit(good, say=silent, checkpoint=tmp_path / "c", resume=True)
    assert detector.calibration_ == expected.calibration_


@pytest.mark.parametrize("calibration", ["split", "cv"])
def test_no_training_image_is_decoded_twice(
    calibration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        write_image(tmp_path / f"{number}.png", stripes(number))
    read: list[str] = []

    def count(sample: Any, **options: Any) -> Any:
        read.append(sample.name)
        return pixels.read_pixels(sample, **options)

    monkeypatch.setattr(first_reading, "read_pixels", count)
    monkeypatch.setattr(training_inputs, "read_pixels", count)
    ts.Detector("mkd", **BRIEFLY, calibration=calibration).fit(tmp_path)
    if calibration == "split":
        assert sorted(read) == sorted(set(read))
    assert len(set(read)) == 10


def test_tiles_and_folds_leave_them_out_too(good: Path) -> None:
    for more in ({"tile": 32, "overlap": 8}, {"calibration": "cv"}):
        detector = ts.Detector("mkd", **BRIEFLY, **more).fit(good, say=silent)
        assert len(detector.unreadable_) == 3


def test_calibrate_leaves_them_out_and_says_so(
    good: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(shutil.copytree(bundle, tmp_path / "m.twin"))
    for number in range(10):  # other images than those of the model's own fit
        write_image(good / f"{number:02d}.png", stripes(400 + number))
    assert main(["calibrate", model, str(good), "--json"]) == 3
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert (result["images"], result["unreadable"]) == (10, 3)
    assert "3 of the 13 images cannot be read: left out" in captured.err
    assert main(["calibrate", model, str(good), "--strict"]) == 2
    assert main(["calibrate", model, str(good), "--false-alarm-rate", "0.08"]) == 2
    assert "3 of the 13 images cannot be read" in capsys.readouterr().err
    assert len(ts.load(model).calibration_.scores) == 10
