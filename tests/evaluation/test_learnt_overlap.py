"""A model is not tested or calibrated on what it was learnt from, whatever the files are called now."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, QUICK, blemish, stripes, write_image
from twinspect.bundle.folder import read_record
from twinspect.cli import main
from twinspect.errors import BundleError, CalibrationError, DataError
from twinspect.scale.model_transfer import pack, unpack

if TYPE_CHECKING:
    from pathlib import Path

BRIEFLY = {**QUICK, "steps": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen good images, 12 of which are fitted; three damaged ones; and the model."""
    root = tmp_path_factory.mktemp("overlap")
    for number in range(15):
        write_image(root / ("learnt" if number < 12 else "new") / f"{number:02d}.png", stripes(number))
    for number in range(3):
        write_image(root / "damaged" / f"{number}.png", blemish(stripes(50 + number)))
    ts.Detector("mkd", **BRIEFLY).fit(root / "learnt").save(root / "m.twin")
    return root


@pytest.fixture
def classes(place: Path, tmp_path: Path) -> Path:
    """Class folders of all of them, where the learnt images have other names."""
    for index, path in enumerate(sorted((place / "learnt").iterdir())):
        (tmp_path / "d" / "good").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "d" / "good" / f"copy{index}.png")
    shutil.copytree(place / "new", tmp_path / "d" / "good", dirs_exist_ok=True)
    shutil.copytree(place / "damaged", tmp_path / "d" / "crack")
    return tmp_path / "d"


def test_evaluate_leaves_out_what_was_learnt_from_or_calibrated_on(place: Path, classes: Path) -> None:
    evaluation = ts.evaluate(ts.load(place / "m.twin"), classes)
    assert sorted(row.sample.name for row in evaluation.rows if row.sample.is_good) == [
        f"good/{number}.png" for number in (12, 13, 14)
    ]
    assert sum(not row.sample.is_good for row in evaluation.rows) == 3
    assert evaluation.overlap.good == 15
    assert len(evaluation.overlap.left_out) == 12
    assert all("copy" in name for name in evaluation.overlap.left_out)


def test_the_command_says_so_and_so_do_its_files(
    place: Path, classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["evaluate", str(place / "m.twin"), str(classes), "--out", str(tmp_path / "r"), "--json"]) == 0
    )
    captured = capsys.readouterr()
    sentence = "12 of 15 good images were learnt from or calibrated on: left out"
    assert sentence in captured.err
    assert sentence in (tmp_path / "r" / "report.html").read_text()
    record = json.loads((tmp_path / "r" / "metrics.json").read_text())["learnt_from"]
    assert record == json.loads(captured.out)["learnt_from"]
    assert (record["good"], len(record["left_out"])) == (15, 12)
    assert "copy" not in (tmp_path / "r" / "scores.csv").read_text()


def test_a_test_of_nothing_new_is_refused(place: Path) -> None:
    with pytest.raises(DataError, match="all 12 test images; test it on others"):
        ts.evaluate(ts.load(place / "m.twin"), ts.data.open_data(place / "learnt", split="test"))


def test_an_image_saved_again_is_tested_but_counted(place: Path, tmp_path: Path) -> None:
    for path in (place / "learnt").iterdir():
        with Image.open(path) as image:
            (tmp_path / "good").mkdir(exist_ok=True)
            image.save(tmp_path / "good" / path.with_suffix(".bmp").name)
    shutil.copytree(place / "damaged", tmp_path / "crack")
    overlap = ts.evaluate(ts.load(place / "m.twin"), tmp_path).overlap
    assert overlap.left_out == ()
    assert len(overlap.near_duplicates) == 12
    assert "12 of 12 good images look nearly the same" in overlap.sentences()[0]


def test_calibrate_counts_images_saved_again_but_not_those_it_was_calibrated_on(
    place: Path, tmp_path: Path
) -> None:
    for path in (place / "learnt").iterdir():
        with Image.open(path) as image:
            image.save(tmp_path / path.with_suffix(".bmp").name)
    said: list[str] = []
    ts.load(place / "m.twin").calibrate(tmp_path, say=said.append)
    assert said == [
        (
            "12 of the 12 images look nearly the same as one that was learnt from or calibrated on "
            "(perceptual hash): kept, but new images may have more false alarms than promised"
        )
    ]
    said.clear()
    ts.load(place / "m.twin").calibrate(place / "learnt", say=said.append)
    assert [sentence for sentence in said if "perceptual" in sentence] == []


def test_defective_images_that_were_learnt_as_good_are_named(place: Path, classes: Path) -> None:
    shutil.copy(place / "learnt" / "00.png", classes / "crack" / "9.png")
    overlap = ts.evaluate(ts.load(place / "m.twin"), classes).overlap
    assert overlap.defective_learnt == ("crack/9.png",)
    assert "1 of 4 defective images was learnt from or calibrated on as good" in overlap.sentences()[-1]
    assert overlap.to_record()["defective"] == 4


def test_calibrate_leaves_out_what_was_trained_on(place: Path) -> None:
    detector = ts.load(place / "m.twin")
    trained, held = detector.data_["train"], detector.data_["calibration"]
    with pytest.warns(UserWarning, match=f"was fitted on {trained} of the 12 images: left out"):
        detector.calibrate(place / "learnt")
    assert len(detector.calibration_.scores) == held
    with pytest.raises(CalibrationError, match=rf"needs 19.*fitted on {trained} of the 12 images"):
        detector.calibrate(place / "learnt", false_alarm_rate=0.05, say=lambda _: None)


def test_calibrating_on_nothing_else_is_refused(place: Path) -> None:
    detector = ts.Detector("mkd", **BRIEFLY, calibration="cv").fit(place / "learnt")
    with pytest.raises(CalibrationError, match=r"no good images to calibrate with.*fitted on 12 of the 12"):
        detector.calibrate(place / "learnt", say=lambda _: None)


def test_the_calibrate_command_says_so(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(place / "m.twin", tmp_path / "m.twin")
    assert main(["calibrate", str(model), str(place / "learnt")]) == 0
    assert "the model was fitted on" in capsys.readouterr().err


def test_what_is_calibrated_on_later_is_left_out_of_later_tests_until_it_is_undone(
    place: Path, classes: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(place / "m.twin", tmp_path / "m.twin")
    ts.load(model).calibrate(place / "new", say=lambda _: None).save_calibration(model)
    evaluation = ts.evaluate(ts.load(model), classes)
    # The images held out in the fit are new again: nothing of the model depends on them.
    held = ts.load(model).data_["calibration"]
    assert len(evaluation.overlap.left_out) == 15 - held
    assert main(["calibrate", str(model), "--undo"]) == 0
    assert len(ts.evaluate(ts.load(model), classes).overlap.left_out) == 12


def test_arrays_are_recognised_too() -> None:
    good = np.stack([stripes(number) for number in range(12)])
    detector = ts.Detector("mkd", **BRIEFLY).fit(good)
    new = np.stack([stripes(100 + number) for number in range(3)])
    data = ts.data.open_data(np.concatenate([good[::-1], new]), split="test")
    evaluation = ts.evaluate(detector, data)
    assert len(evaluation.overlap.left_out) == 12
    assert len(evaluation.rows) == 3
    with pytest.warns(UserWarning, match="was fitted on"):
        detector.calibrate(good)


def test_a_joined_model_knows_the_images_of_all_its_members(
    place: Path, classes: Path, tmp_path: Path
) -> None:
    other = ts.Detector("mkd", **BRIEFLY).fit(place / "new")
    joined = ts.noisy_or([ts.load(place / "m.twin"), other], good=[stripes(300 + n) for n in range(5)])
    joined.save(tmp_path / "j.twin")
    for detector in (joined, ts.load(tmp_path / "j.twin")):
        evaluation = ts.evaluate(detector, classes)
        assert len(evaluation.overlap.left_out) == 15
        with pytest.raises(CalibrationError, match="fitted on 3 of the 3 images"):
            detector.calibrate(place / "new", say=lambda _: None)


def test_the_file_of_hashes_is_compact_checked_and_sent_to_workers(place: Path, tmp_path: Path) -> None:
    model = shutil.copytree(place / "m.twin", tmp_path / "m.twin")
    record = json.loads((model / "learnt_images.json").read_text())
    assert len(record["sha256_starts"]) == ts.load(model).data_["train"]
    assert len(record["perceptual_hashes"]) == 12
    assert record["sha256_starts"] == sorted(record["sha256_starts"])
    sent = unpack(pack(model, ""), device="cpu", export="", threads=1)
    assert sent.learnt_ == ts.load(model).learnt_
    text = (model / "learnt_images.json").read_text()
    (model / "learnt_images.json").write_text(text.replace(record["sha256_starts"][0], "0" * 16))
    with pytest.raises(BundleError, match=r"learnt_images\.json is damaged"):
        ts.load(model)
    (model / "learnt_images.json").unlink()
    with pytest.raises(BundleError, match=r"learnt_images\.json is missing"):
        ts.load(model)


def test_of_old_models_nothing_is_known(classes: Path, place: Path, tmp_path: Path) -> None:
    detector: Any = ts.load(place / "m.twin")
    detector.learnt_, detector.calibrated_on_ = None, frozenset()
    detector.save(tmp_path / "old.twin")
    assert "learnt_images" not in read_record(tmp_path / "old.twin")
    old = ts.load(tmp_path / "old.twin")
    assert old.learnt_ is None
    overlap = ts.evaluate(old, classes).overlap
    assert (overlap.left_out, overlap.near_duplicates, overlap.sentences()) == ((), (), [])


def test_a_copy_among_the_anomalous_images_is_tested(place: Path, classes: Path) -> None:
    shutil.copy(place / "learnt" / "00.png", classes / "crack" / "9.png")
    evaluation = ts.evaluate(ts.load(place / "m.twin"), classes)
    assert sum(not row.sample.is_good for row in evaluation.rows) == 4


def test_an_unreadable_test_image_is_a_row_as_before(place: Path, classes: Path) -> None:
    (classes / "good" / "broken.png").write_bytes(b"")
    evaluation = ts.evaluate(ts.load(place / "m.twin"), classes)
    assert [row.sample.name for row in evaluation.rows if row.error] == ["good/broken.png"]


def test_a_fit_of_the_command_line_too(place: Path, tmp_path: Path) -> None:
    fit = ["fit", str(place / "learnt"), "--method", "mkd", *AS_ARGUMENTS, "--size", "64", "--steps", "1"]
    assert main([*fit, "--out", str(tmp_path / "m.twin")]) == 0
    assert ts.load(tmp_path / "m.twin").learnt_ == ts.load(place / "m.twin").learnt_
