"""Model folders: whole, damaged, altered, too new, and a disk that is full."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import twinspect as ts
from drawn_parts import QUICK
from full_disk import full_disk
from twinspect.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(model, tmp_path / "m.twin")


FILES = [
    *("images/0.png", "images/1.png", "images/2.png"),
    *("learnt_images.json", "model.json", "weights.safetensors"),
]


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by its path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_bundle_is_weights_a_record_and_a_few_images(model: Path, fitted: ts.Detector) -> None:
    assert list(files(model)) == FILES
    record = json.loads((model / "model.json").read_text())
    assert record["format"] == 1
    assert record["twinspect"] == ts.__version__
    assert record["method"] == "mkd"
    assert record["config"]["steps"] == QUICK["steps"]
    assert record["teacher"]["sha256"] == fitted.model_.method.teacher.sha256
    assert record["preprocessing"]["size"] == 64
    assert record["calibration"]["threshold"] == fitted.calibration_.threshold
    assert len(record["data"]["fingerprint"]) == 64
    assert record["seed"] == 0


def test_the_same_fit_writes_the_same_bytes(parts: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        ts.Detector("mkd", **{**QUICK, "steps": 2}).fit(parts).save(tmp_path / name)
    for file in ("model.json", "weights.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("file", ["weights.safetensors", "model.json"])
@pytest.mark.parametrize("position", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_flipped_byte_is_found_and_its_file_named(copy: Path, file: str, position: float) -> None:
    content = bytearray((copy / file).read_bytes())
    content[round(position * (len(content) - 2))] ^= 1
    (copy / file).write_bytes(content)
    with pytest.raises(BundleError, match=file):
        ts.load(copy)


def test_an_edit_that_changes_no_value_is_found_too(copy: Path) -> None:
    text = (copy / "model.json").read_text()
    assert '"learning_rate": 0.001' in text
    (copy / "model.json").write_text(text.replace('"learning_rate": 0.001', '"learning_rate": 0.0010'))
    with pytest.raises(BundleError, match=r"model\.json is damaged or was edited.*twinspect calibrate"):
        ts.load(copy)


@pytest.mark.parametrize("file", ["weights.safetensors", "model.json"])
def test_a_missing_file_is_named(copy: Path, file: str) -> None:
    (copy / file).unlink()
    with pytest.raises(
        BundleError, match=f"{file} is missing or cannot be read; copy the whole folder again"
    ):
        ts.load(copy)


def test_an_unknown_format_is_named(copy: Path) -> None:
    record = json.loads((copy / "model.json").read_text())
    record["format"] = 7
    (copy / "model.json").write_text(json.dumps(record))
    with pytest.raises(BundleError, match="format number 7"):
        ts.load(copy)


def test_an_altered_image_is_named(copy: Path) -> None:
    path = copy / "images" / "1.png"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"images/1\.png is damaged"):
        ts.load(copy)
    path.unlink()
    with pytest.raises(BundleError, match=r"images/1\.png is missing"):
        ts.load(copy)


def test_no_folder_and_a_file_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no model at .*twinspect fit"):
        ts.load(tmp_path / "none.twin")
    (tmp_path / "file.twin").write_text("x")
    with pytest.raises(BundleError, match="is a file"):
        ts.load(tmp_path / "file.twin")


def test_saving_replaces_a_model_but_nothing_else(fitted: ts.Detector, copy: Path, tmp_path: Path) -> None:
    (copy / "exports").mkdir()
    fitted.save(copy)
    assert list(files(copy)) == FILES
    assert not (copy / "exports").exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(BundleError, match="is not a model"):
        fitted.save(tmp_path / "photos")
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"precious"


def test_a_full_disk_leaves_the_old_model_whole_and_no_rubbish(copy: Path) -> None:
    before = files(copy)
    detector = ts.load(copy)
    with full_disk(20_000), pytest.raises(BundleError, match="could not be saved") as refused:
        detector.save(copy)
    assert "nothing was changed" in str(refused.value)
    assert files(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_calibrating_rewrites_the_record_alone(copy: Path) -> None:
    weights = (copy / "weights.safetensors").read_bytes()
    detector = ts.load(copy).set_rate(0.5)
    detector.save_calibration(copy)
    assert ts.load(copy).calibration_.false_alarm_rate == 0.5
    assert (copy / "weights.safetensors").read_bytes() == weights
