"""`fit`, `evaluate`, `calibrate` and `doctor` say in one line what the data was taken for, and doctor refuses nothing
that another verb takes."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from drawn_parts import stripes, write_image
from messages import error_lines

if TYPE_CHECKING:
    from pathlib import Path


FIT = ["--teacher", "test_resnet", "--weights", "random", "--size", "64", "--device", "cpu", "--steps", "2"]


def test_fit_says_what_it_leaves_out(run: Any, tmp_path: Path) -> None:
    for number in range(6):
        write_image(tmp_path / f"parts/{number}.png", stripes(number))
        (tmp_path / f"parts/{number}.abc").touch()
    code, _, err = run("fit", tmp_path / "parts", "--out", tmp_path / "m.twin", *FIT)
    assert code == 0
    assert err.splitlines()[1] == (  # after the stage "listing the images"
        "twinspect: parts (plain folder without labels): 6 good to train; "
        "6 left out: not an image by its name (.abc)"
    )


def test_evaluate_and_calibrate_say_it(run: Any, model: Path, parts: Path, tmp_path: Path) -> None:
    said = "twinspect: parts (MVTec layout): "
    _, _, err = run("evaluate", model, parts, "--out", tmp_path / "report")
    assert f"{said}6 good to test, 6 defective to test, 6 masks; nothing left out" in err
    copy = shutil.copytree(model, tmp_path / "m.twin")
    _, _, err = run("calibrate", copy, parts)
    assert (
        f"{said}24 good to calibrate, 6 good to test, 6 defective to test, 6 masks; nothing left out" in err
    )


def test_doctor_says_it_to_people_and_machines(run: Any, parts: Path) -> None:
    line = "parts (MVTec layout): 24 good to train, 6 good to test, 6 defective to test, 6 masks; nothing left out"
    assert run("doctor", parts)[1].splitlines()[1] == line
    record = json.loads(run("doctor", parts, "--json")[1])["data"]
    assert record["summary"] == line
    assert record["counts"] == {
        "train_good": 24,
        "calibration_good": 0,
        "test_good": 6,
        "test_defective": 6,
        "masks": 6,
        "defective_without_mask": 0,
        "left_out": 0,
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_doctor_spells_names_that_move_a_cursor(run: Any, tmp_path: Path) -> None:
    name = "a\nb\x1b[2J.png"
    (tmp_path / name).write_bytes(b"no image")
    (tmp_path / f"{name}.txt").write_text("a note")
    _, said, notes = run("doctor", tmp_path, "--list")
    assert "\x1b" not in said + notes
    spelled = str(tmp_path / r"a\u000ab\u001b[2J.png")
    lines = said.splitlines()
    assert [line.split()[1] for line in lines if line.endswith(".png")] == [spelled]
    assert sum(line.startswith(f"  {spelled}: is not an image") for line in lines) == 1
    assert sum(line.startswith(f"  {spelled}.txt: ") for line in lines) == 1


def test_doctor_takes_what_evaluate_takes(run: Any, parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts / "test", tmp_path / "tested" / "test")
    code, text, _ = run("doctor", tmp_path / "tested")
    assert code == 0
    assert "6 good to test, 6 defective to test; nothing left out" in text
    assert "fit would stop" in text
    assert "has test/ but no train/" in text


def test_sub_folders_of_unknown_names(run: Any, model: Path, tmp_path: Path) -> None:
    for number in range(12):
        write_image(
            tmp_path / f"d/{'pill' if number % 2 else 'scratched'}/{number}.png", stripes(500 + number)
        )
    fit = ["fit", tmp_path / "d", "--out", tmp_path / "n.twin", *FIT]
    code, _, err = run(*fit)
    assert (code, "--normal pill" in err, "--all-good" in err, error_lines(err)) == (2, True, True, 1)
    assert not (tmp_path / "n.twin").exists()
    code, text, _ = run("doctor", tmp_path / "d")
    assert (code, "fit would stop" in text, "--all-good" in text) == (0, True, True)
    code, _, err = run("evaluate", model, tmp_path / "d", "--out", tmp_path / "report")
    assert (code, f"evaluate {model} " in err) == (2, True)
    # Each of the two commands settles it.
    code, _, err = run(*fit, "--all-good")
    assert (code, "12 good to train; nothing left out" in err) == (0, True)
    code, _, err = run(*fit, "--normal", "pill", "--overwrite")
    assert (code, "5 good to train, 1 good to test, 1 defective to test" in err) == (0, True)
    code, _, err = run("evaluate", model, tmp_path / "d", "--out", tmp_path / "report", "--all-good")
    assert (code, "12 good to test" in err) == (0, True)
    assert len(run("score", model, tmp_path / "d")[1].splitlines()) == 13


def test_two_options_that_say_it_exclude_each_other(run: Any, tmp_path: Path) -> None:
    code, _, err = run("doctor", tmp_path, "--all-good", "--normal", "x")
    assert (code, "not allowed with argument" in err) == (2, True)
    assert run("doctor", "--all-good")[0] == 2
