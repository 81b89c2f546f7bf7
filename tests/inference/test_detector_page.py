"""What a notebook shows of detectors of every kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import twinspect as ts
from drawn_parts import QUICK
from twinspect.calibration.detectability import Detectability, Trial

if TYPE_CHECKING:
    from pathlib import Path


def rows(detector: Any) -> dict[str, str]:
    """The rows of the table, without markup."""
    page = detector._repr_html_()
    assert "<script" not in page
    cells = re.findall(r"<tr><th[^>]*>(.*?)</th><td>(.*?)</td></tr>", page)
    return {name: re.sub("<[^>]+>", " ", lines).strip() for name, lines in cells}


def test_before_a_fit_it_says_what_to_do() -> None:
    shown = rows(ts.Detector("mkd", teacher="pocket", seed=3, sigma=2.0, roi="<b>.png"))
    assert shown["Method"], shown["Teacher"] == ("mkd", "pocket")
    assert shown["Settings"] == "seed 3, roi &lt;b&gt;.png, sigma 2.0"
    assert shown["Fitted"] == "not yet: fit(good_images) does"
    assert rows(ts.Detector())["Method"] == "hybrid"


def test_a_fitted_one_says_what_it_learnt_promises_and_finds(fitted: ts.Detector, tmp_path: Path) -> None:
    shown = rows(fitted)
    assert shown["Images"].startswith("15 to learn from; 9 held out for the first threshold")
    assert "fingerprint" not in shown["Images"]
    assert shown["Threshold"] == f"{fitted.calibration_.threshold:.6g}: {fitted.calibration_.promise()}"
    assert shown["Input size"] == "64"
    assert "steps 60" in shown["Settings"]
    assert "Would find" not in shown
    fitted.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin", runtime="torch")
    assert rows(loaded) == shown | {"Settings": shown["Settings"].replace("device cpu, ", "")}
    trial = Trial(0.1, (fitted.calibration_.threshold + 1,) * 9)
    loaded.detectability_ = Detectability({"spot": "spots"}, {"spot": (trial,)}, ("",) * 9, 0.1, 1.0)
    assert "spots from 10 % or less (9 of 9; " in rows(loaded)["Would find"]


def test_a_joined_one_names_its_members(fitted: ts.Detector, parts: Path) -> None:
    other = ts.Detector("rd", **{**QUICK, "steps": 3}).fit(parts)
    shown = rows(ts.noisy_or([fitted, other]))
    assert shown["Method"] == "noisy_or of mkd, rd"
    assert "held-out good images" in shown["Threshold"]


def test_an_exported_one_says_by_what_it_scores(fitted: ts.Detector, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from mean_export import EXPORT, add_export

    fitted.save(tmp_path / "m.twin")
    add_export(tmp_path / "m.twin")
    shown = rows(ts.load(tmp_path / "m.twin", runtime="onnx"))
    assert shown["Scores by"] == EXPORT
    assert shown["Method"] == "mkd"
