"""The examples run, and the method they show works like one of the house."""

from __future__ import annotations

import importlib.metadata
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import QUICK, blemish, stripes
from twinspect.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_quickstart(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [str(parts / "train" / "good"), str(parts / "test" / "good"), "--steps", "3"]
    arguments += ["--teacher", "test_resnet", "--weights", "random"]
    monkeypatch.setattr(sys, "argv", ["quickstart.py", *arguments])
    runpy.run_path(str(EXAMPLES / "quickstart.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "false alarms" in printed
    assert printed.count("p = ") == 6
    assert (tmp_path / "parts.twin" / "model.json").is_file()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend that a package with the example's entry point is installed."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    entry = importlib.metadata.EntryPoint("fine_to_coarse", "your_method:FineToCoarse", "twinspect.methods")
    real = importlib.metadata.entry_points

    def entry_points(**wanted: str) -> object:
        return [entry] if wanted == {"group": "twinspect.methods"} else real(**wanted)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    yield
    sys.modules.pop("your_method", None)


@pytest.mark.usefixtures("registered")
def test_your_method_from_python_and_from_the_command_line(parts: Path, tmp_path: Path) -> None:
    assert "fine_to_coarse" in ts.methods()
    detector = ts.Detector("fine_to_coarse", **QUICK, width=16).fit(parts)
    clean = np.stack([stripes(800 + n) for n in range(6)])
    dirty = np.stack([blemish(each) for each in clean])
    assert (detector.score(dirty).image > detector.score(clean).image).all()
    detector.save(tmp_path / "one.twin")
    np.testing.assert_array_equal(
        ts.load(tmp_path / "one.twin").score(dirty).image, detector.score(dirty).image
    )
    fit = [
        "fit",
        str(parts),
        "--out",
        str(tmp_path / "two.twin"),
        "--method",
        "fine_to_coarse",
        "--width",
        "8",
    ]
    fit += ["--teacher", "test_resnet", "--weights", "random", "--size", "64", "--steps", "2"]
    assert main(fit) == 0
    assert ts.load(tmp_path / "two.twin").model_.method.config.width == 8
