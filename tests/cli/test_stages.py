"""No verb works in silence: what it does is said first, in order, and never where results go."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from drawn_parts import AS_ARGUMENTS, stripes, write_image
from twinspect.cli import console, main
from twinspect.utils import progress_bar
from twinspect.utils.progress import announce, finish, interlude, report_to, tracked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIT = (*AS_ARGUMENTS, "--method", "rd", "--size", "64", "--steps", "3", "--device", "cpu")
ENDS = "import sys\nsys.stderr.write('torch runs\\n')\nsys.exit(9)\n"
"""A torch that says when it is imported, and ends there."""


@pytest.fixture(scope="module")
def model(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stages") / "m.twin"
    assert main(["fit", str(parts), "--out", str(out), *FIT]) == 0
    return out


@pytest.mark.parametrize(
    "verb",
    [
        "fit DATA --out new.twin",
        "fit-many jobs.csv --out models --engine local",
        "score MODEL DATA",
        "score MODEL DATA --engine local --out table",
        "plan MODEL DATA",
        "evaluate MODEL DATA --out report",
        "calibrate MODEL DATA",
        "export MODEL --to onnx",
        "join MODEL MODEL --good DATA --out joined.twin",
        "demo --out demo",
        "doctor",
        "synth DATA --out sheet",
        "benchmark mvtec --data DATA --out runs",
        "serve MODEL --port 0",
        "watch DATA --model MODEL --once",
    ],
)
def test_it_is_said_that_torch_is_loaded_before_it_is(
    verb: str, model: Path, parts: Path, tmp_path: Path
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(ENDS)
    (tmp_path / "jobs.csv").write_text(f"data\n{parts}\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    arguments = verb.replace("MODEL", str(model)).replace("DATA", str(parts)).split()
    ran = subprocess.run(
        [sys.executable, "-m", "twinspect", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    said = ran.stderr.splitlines()
    assert "torch runs" in said, ran.stderr
    assert said[said.index("torch runs") - 1].startswith("twinspect: loading ")


def stages(text: str) -> list[str]:
    """The stages that were said, without numbers and paths; imports depend on what ran before."""
    said = [line.removeprefix("twinspect: ").partition(",")[0].split(" /")[0] for line in text.splitlines()]
    return [stage for stage in said if not stage.startswith("loading") or stage == "loading the model"]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        (
            f"fit DATA --out NEW.twin {' '.join(FIT)}",
            [
                "listing the images of",
                "building the teacher and the student",
                "read",
                "hash images",
                "prepare",
                "distil",
                "score good images",
            ],
        ),
        (
            "evaluate MODEL DATA --out NEW",
            [
                "listing the images of",
                "loading the model",
                "evaluate",
                "computing the metrics",
                "writing the report",
            ],
        ),
        ("score MODEL DATA --out NEW.csv", ["listing the images of", "loading the model", "score"]),
        (
            "calibrate MODEL GOOD",
            ["listing the images of", "loading the model", "score good images"],
        ),
        ("doctor DATA", ["listing the images of", "decode"]),
        (
            "synth DATA --out NEW --size 64 --count 2 --kind cutpaste",
            ["listing the images of", "read", "drawing anomalies"],
        ),
    ],
)
def test_stages_are_said_in_order_and_results_stay_pure(
    verb: str,
    expected: list[str],
    model: Path,
    parts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = {"MODEL": model, "DATA": parts, "GOOD": parts / "train" / "good", "NEW": tmp_path / "new"}
    for name, value in names.items():
        verb = verb.replace(name, str(value))
    capsys.readouterr()
    assert main([*verb.split(), "--json"]) == 0
    captured = capsys.readouterr()
    said = iter(stages(captured.err))
    # In this order, perhaps with others between.
    assert all(stage in said for stage in expected), captured.err
    assert json.loads(captured.out)
    assert "\x1b" not in captured.err + captured.out
    assert "\r" not in captured.err + captured.out


class Terminal(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Make standard error a terminal; pytest puts its own back between a fixture and a test."""
    screen = Terminal()
    progress_bar._display.cache_clear()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", screen)
        yield screen
    progress_bar._display.cache_clear()


def test_on_a_terminal_a_stage_is_shown_and_disappears(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with drawn_on_a_terminal(monkeypatch) as terminal, progress_bar.Bar() as bar, report_to(bar):
        announce("loading the model")
        assert "loading the model …" in terminal.getvalue()
        console.warn("a note")
        assert sys.stderr is not terminal  # notes appear above what is drawn
        print("a result")
        finish()
        assert sys.stderr is terminal
        assert terminal.getvalue().endswith("\r\x1b[2K\x1b[?25h\r")  # its line is empty again
    assert "a note" in terminal.getvalue()
    assert capsys.readouterr().out == "a result\n"
    assert "a result" not in terminal.getvalue()
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1  # the cursor


def test_a_bar_that_took_its_time_stays_and_a_short_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with drawn_on_a_terminal(monkeypatch) as terminal, progress_bar.Bar() as bar, report_to(bar):
        assert list(tracked("short", range(3), total=3)) == [0, 1, 2]
        monkeypatch.setattr("twinspect.utils.live_display.SHORT", 0.0)
        assert list(tracked("long", range(3), total=3)) == [0, 1, 2]
        announce("writing")
        shown = terminal.getvalue()
        assert "3/3" in shown[shown.rindex("long") :]
    last = terminal.getvalue()[len(shown) :]
    assert "long" in last
    assert "short" not in last
    assert "writing" not in last


def test_without_anybody_to_tell_work_goes_on() -> None:
    announce("nothing")
    assert list(tracked("nothing", "abc", total=3)) == ["a", "b", "c"]
    finish()


def test_a_stage_goes_on_after_what_interrupts_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with drawn_on_a_terminal(monkeypatch) as terminal, progress_bar.Bar() as bar, report_to(bar):
        announce("drawing")
        with interlude("loading torch"):
            assert "loading torch" in terminal.getvalue()
        assert "drawing …" in terminal.getvalue()[terminal.getvalue().rindex("loading torch") :]
    with progress_bar.Bar() as bar, report_to(bar):
        announce("drawing")
        with interlude("loading torch"):
            pass
    assert capsys.readouterr().err.splitlines() == ["twinspect: drawing", "twinspect: loading torch"]


def test_a_stage_that_measures_itself_on_its_only_image_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "data" / "train" / "good" / "0.png", stripes(0))
    for number in range(1, 4):
        write_image(tmp_path / "data" / "calibration" / "good" / f"{number}.png", stripes(number))
    command = ["fit", str(tmp_path / "data"), "--out", str(tmp_path / "m.twin"), *FIT, "--method", "stfpm"]
    assert main([*command, "--no-detectability"]) == 0
    said = capsys.readouterr().out
    assert (
        "stage distil learnt from 1 of them and measured itself on the same, since there are no others"
        in said
    )
