"""Nothing is overwritten silently: finished models, reports and pictures that another command has made."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, stripes, write_image
from twinspect.bundle.exports import list_exports, write_export
from twinspect.bundle.folder import read_record
from twinspect.cli import demo, fit
from twinspect.detector import Detector
from twinspect.errors import TrainingError
from twinspect.utils.locks import single_writer

if TYPE_CHECKING:
    from pathlib import Path

QUICKLY = ("--method", "mkd", *AS_ARGUMENTS, "--size", "64", "--steps", "1", "--device", "cpu")


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A finished model with an export."""
    model = shutil.copytree(bundle, tmp_path / "m.twin")
    speed = {"milliseconds": 1.0, "torch_milliseconds": 2.0}
    record = {
        "weights_sha256": read_record(model)["weights"]["sha256"],
        "runtime": "onnx",
        "precision": "fp32",
    }
    record |= {"speed": speed}
    write_export(model, "onnx-fp32", record, {"model.onnx": b"graph"})
    return model


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def no_work(*_: object, **__: object) -> None:
    raise AssertionError("images were read")


def test_fit_refuses_a_finished_model_before_any_work(
    run: Any, copy: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(copy)
    monkeypatch.setattr(fit, "select_classes", no_work)
    code, out, err = run("fit", parts, "--out", copy, *QUICKLY)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    for words in (str(copy), "mkd", "exports: onnx-fp32", "--overwrite", "--out"):
        assert words in err
    assert content(copy) == before


def test_fit_overwrites_when_asked_and_keeps_the_old_model_until_then(
    run: Any, copy: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(copy)
    real = Detector.fit

    def fail(*_: object, **__: object) -> None:
        assert content(copy) == before
        raise TrainingError("the loss is not finite")

    monkeypatch.setattr(Detector, "fit", fail)
    assert run("fit", parts, "--out", copy, *QUICKLY, "--overwrite")[0] == 2
    assert content(copy) == before

    def check(detector: Detector, *arguments: Any, **options: Any) -> Detector:
        done = real(detector, *arguments, **options)
        assert content(copy) == before
        return done

    monkeypatch.setattr(Detector, "fit", check)
    assert run("fit", parts, "--out", copy, *QUICKLY, "--overwrite")[0] == 0
    assert content(copy)["weights.safetensors"] != before["weights.safetensors"]
    assert list_exports(copy, read_record(copy)) == []
    assert [path.name for path in copy.parent.iterdir()] == ["m.twin"]


def test_fit_refuses_what_is_no_model_before_any_work_even_with_overwrite(
    run: Any, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "select_classes", no_work)
    write_image(tmp_path / "photos" / "holiday.png", stripes(1))
    code, _, err = run("fit", parts, "--out", tmp_path / "photos", *QUICKLY, "--overwrite")
    assert code == 2
    assert "is not a model" in err


def test_a_damaged_model_is_not_replaced_silently_either(run: Any, copy: Path, parts: Path) -> None:
    (copy / "model.json").write_text("{")
    code, _, err = run("fit", parts, "--out", copy, *QUICKLY)
    assert code == 2
    assert "--overwrite" in err


def test_join_refuses_a_finished_model(run: Any, copy: Path, bundle: Path, parts: Path) -> None:
    before = content(copy)
    code, _, err = run("join", bundle, bundle, "--out", copy)
    assert code == 2
    assert "--overwrite" in err
    assert content(copy) == before


def test_python_saves_replace(fitted: ts.Detector, copy: Path) -> None:
    fitted.save(copy)
    assert ts.load(copy).calibration_.threshold == fitted.calibration_.threshold


def test_an_export_that_cannot_be_replaced_stays(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = read_record(copy)

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("twinspect.bundle.exports.write_durably", no_space)
    with pytest.raises(ts.errors.BundleError, match="No space left"):
        write_export(copy, "onnx-fp32", {"weights_sha256": record["weights"]["sha256"]}, {"model.onnx": b"2"})
    (export,) = list_exports(copy, record)
    assert export.contents() == {"model.onnx": b"graph"}
    assert [path.name for path in (copy / "exports").iterdir()] == ["onnx-fp32"]


def test_evaluate_replaces_its_own_files_and_no_others(
    run: Any, bundle: Path, parts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    assert run("evaluate", bundle, parts, "--out", out)[0] == 0
    assert run("evaluate", bundle, parts, "--out", out)[0] == 0
    scores = tmp_path / "mine" / "scores.csv"
    assert run("score", bundle, parts / "test" / "good", "--out", scores)[0] == 0
    before = scores.read_bytes()
    code, _, err = run("evaluate", bundle, parts, "--out", scores.parent)
    assert code == 2
    assert "scores.csv, which no evaluation has written" in err
    assert scores.read_bytes() == before
    for text in ('{"accuracy": 1}', "[]", "no JSON"):
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / "metrics.json").write_text(text)
        assert run("evaluate", bundle, parts, "--out", tmp_path / "other")[0] == 2
        assert (tmp_path / "other" / "metrics.json").read_text() == text


def test_synth_replaces_its_own_sheet_and_no_other_picture(run: Any, parts: Path, tmp_path: Path) -> None:
    draw = ("synth", parts, "--out", tmp_path, "--count", 2, "--size", 32)
    assert run(*draw)[0] == 0
    assert run(*draw)[0] == 0
    Image.new("RGB", (8, 8)).save(tmp_path / "contact_sheet.png")
    code, _, err = run(*draw)
    assert code == 2
    assert "was not written by synth" in err
    with Image.open(tmp_path / "contact_sheet.png") as image:
        assert image.size == (8, 8)


def test_the_demo_runs_again_in_its_own_folder_but_not_in_another(
    run: Any, tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []

    def write(folder: Path, _: int) -> None:
        started.append(folder)
        raise ts.errors.DataError("enough")

    monkeypatch.setattr(demo, "write_demo", write)
    (tmp_path / "demo" / "data" / "brick").mkdir(parents=True)
    (tmp_path / "demo" / "data" / ".twinspect-demo").touch()
    shutil.copytree(bundle, tmp_path / "demo" / "demo.twin")
    assert "enough" in run("demo", "--out", tmp_path / "demo")[2]
    (tmp_path / "mine" / "data" / "screws").mkdir(parents=True)
    assert "holds images that no demo has written" in run("demo", "--out", tmp_path / "mine")[2]
    shutil.copytree(bundle, tmp_path / "other" / "demo.twin")
    assert "is a model without the demo's images" in run("demo", "--out", tmp_path / "other")[2]
    assert "is a model" in run("demo", "--out", bundle)[2]
    assert started == [tmp_path / "demo" / "data"]


def test_fit_many_replaces_models_of_other_settings_only_when_asked(
    run: Any, parts: Path, tmp_path: Path
) -> None:
    manifest, out = tmp_path / "m.csv", tmp_path / "out"

    def fit_all(rate: float, *more: str) -> tuple[int, str]:
        manifest.write_text(f"name,data,false_alarm_rate\na,{parts / 'train'},{rate}\n")
        options = (*QUICKLY, "--engine", "local", "--json", *more)
        code, _, err = run("fit-many", manifest, "--out", out, *options)
        return code, err

    assert fit_all(0.2)[0] == 0
    before = content(out / "a.twin")
    assert fit_all(0.2)[0] == 0
    code, err = fit_all(0.3)
    assert code == 2
    assert "finished models of other settings or images: a; " in err
    assert "--overwrite" in err
    assert content(out / "a.twin") == before
    assert fit_all(0.3, "--overwrite")[0] == 0
    assert json.loads((out / "a.twin" / "model.json").read_text())["calibration"]["false_alarm_rate"] == 0.3
    assert fit_all(0.3)[0] == 0

    manifest.rename(out / "models.csv")
    code, _, err = run("fit-many", out / "models.csv", "--out", out, *QUICKLY, "--engine", "local")
    assert code == 2
    assert "rename the manifest" in err


# Files that are nobody's to replace -------------------------------------------------------------------------------


def test_maps_replace_no_file_that_is_not_known_to_be_a_map(run: Any, bundle: Path, tmp_path: Path) -> None:
    for day in ("today", "yesterday"):
        write_image(tmp_path / day / "0.png", stripes(700))
    before = (tmp_path / "yesterday" / "0.png").read_bytes()
    score = ("score", bundle, tmp_path / "today", "--out", tmp_path / "o.csv", "--maps")
    code, _, err = run(*score, tmp_path / "yesterday")
    assert (code, "not known to be a map" in err) == (2, True)
    assert (tmp_path / "yesterday" / "0.png").read_bytes() == before
    assert run(*score, tmp_path / "maps")[0] == 0
    assert run(*score, tmp_path / "maps", "--overwrite")[0] == 0  # its own


def test_a_table_never_replaces_the_manifest_that_it_is_made_from(
    run: Any, bundle: Path, tmp_path: Path
) -> None:
    write_image(tmp_path / "0.png", stripes(700))
    (tmp_path / "m.csv").write_text("path,label\n0.png,good\n")
    code, _, err = run("score", bundle, tmp_path / "m.csv", "--out", tmp_path / "m.csv", "--overwrite")
    assert (code, "is one of the inputs" in err) == (2, True)
    assert (tmp_path / "m.csv").read_text() == "path,label\n0.png,good\n"


def test_a_model_folder_that_holds_more_is_not_replaced(
    run: Any, bundle: Path, parts: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(bundle, tmp_path / "m.twin")
    (out / "notes.txt").write_text("mine")
    code, _, err = run("fit", parts, "--out", out, "--overwrite", *QUICKLY)
    assert (code, "holds more than a model" in err, "notes.txt" in err) == (2, True, True)
    assert (out / "notes.txt").read_text() == "mine"


def test_no_report_goes_into_a_model(run: Any, bundle: Path, parts: Path) -> None:
    code, _, err = run("evaluate", bundle, parts, "--out", bundle)
    assert (code, "is a model; a report needs a folder of its own" in err) == (2, True)


def test_a_second_fit_of_one_model_is_told_and_the_first_goes_on(
    run: Any, parts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.twin"
    with single_writer(out, tmp_path / "m.twin.checkpoint" / ".lock"):
        code, _, err = run("fit", parts, "--out", out, *QUICKLY)
        assert (code, "is being written by another run" in err) == (2, True)
        assert (tmp_path / "m.twin.checkpoint" / ".lock").exists()  # a third one is told, too
    assert run("fit", parts, "--out", out, *QUICKLY)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.twin"]
