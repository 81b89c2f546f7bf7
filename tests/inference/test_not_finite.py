"""A score that is no finite number is an error of its image in every verb, and never good."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import twinspect as ts
from drawn_parts import TEACHER, stripes, write_image
from twinspect.bundle.folder import RECORD
from twinspect.cli import main
from twinspect.data.samples import Sample
from twinspect.inference.pipeline import ScoringPipeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(scope="module")
def broken(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose record is in order and whose every weight is NaN."""
    path = tmp_path_factory.mktemp("broken") / "nan.twin"
    detector = ts.load(model)
    for value in detector.model_.state_dict().values():
        if value.is_floating_point():
            value.fill_(math.nan)
    detector.save(path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(3):
        write_image(tmp_path / "today" / f"{number}.png", stripes(number))
    return tmp_path / "today"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_score_and_shards_say_so_in_every_row(
    broken: Path, images: Path, tmp_path: Path, capsys: Any
) -> None:
    code, text, _ = run(capsys, "score", broken, images, "--maps", tmp_path / "maps")
    rows = list(csv.DictReader(text.splitlines()))
    assert code == 3
    assert len(rows) == 3
    for row in rows:
        assert "the score is not finite (nan)" in row["error"]
        assert row["score"] == row["is_anomalous"] == row["p_value"] == ""
    assert not (tmp_path / "maps").exists()
    code, text, _ = run(
        capsys, "score", broken, images, "--engine", "local", "--out", tmp_path / "r", "--json"
    )
    assert (code, json.loads(text)["unreadable"]) == (3, 3)


def test_from_python_it_is_an_error_beside_nan(broken: Path, images: Path) -> None:
    scores = ts.load(broken).score(images)
    assert np.isnan(scores.image).all()
    assert np.isnan(scores.p_value).all()
    assert not scores.is_anomalous.any()
    assert all("not finite" in error for error in scores.errors)


def test_evaluate_counts_no_such_image_as_good(
    broken: Path, parts: Path, tmp_path: Path, capsys: Any
) -> None:
    code, text, _ = run(capsys, "evaluate", broken, parts, "--out", tmp_path / "report", "--json")
    record = json.loads(text)
    assert code == 3
    assert record["unreadable"] == 12
    assert record["pooled"]["image_auroc"] is None


def test_calibrate_changes_nothing(broken: Path, images: Path, capsys: Any) -> None:
    before = (broken / RECORD).read_bytes()
    code, _, errors = run(capsys, "calibrate", broken, images)
    assert code == 2
    assert "the score is not finite" in errors.splitlines()[-1]
    assert (broken / RECORD).read_bytes() == before


class Engine:
    """Gives scores that are set beforehand."""

    def __init__(self, *scores: float) -> None:
        self._scores = list(scores)

    def prepare(self, rgb: Any, _region: Any) -> Any:
        return rgb

    def score(self, prepared: Sequence[Any], *, maps: bool) -> Any:
        scores = [self._scores.pop(0) for _ in prepared]
        return scores, [np.zeros((48, 48), np.float32) if maps else None for _ in prepared]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_of_a_batch_only_the_image_without_a_number_fails(tmp_path: Path, bad: float) -> None:
    samples = [
        Sample(tmp_path / f"{number}.png", f"{number}.png", pixels=stripes(number)) for number in range(3)
    ]
    rows = list(ScoringPipeline(0).stream(Engine(1.0, bad, 2.0), samples, maps=True))
    assert [bool(row.error) for row in rows] == [False, True, False]
    assert [rows[0].score, rows[2].score] == [1.0, 2.0]
    assert f"not finite ({bad})" in rows[1].error
    assert rows[1].error.startswith(str(samples[1].path))
    assert math.isnan(rows[1].score)
    assert rows[1].map is None


def test_the_calibration_of_a_fit_refuses_it(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twinspect.inference.torch_engine import TorchEngine

    def score(self: Any, prepared: Sequence[Any], *, maps: bool) -> Any:
        return [math.nan] * len(prepared), [np.zeros((48, 48), np.float32)] * len(prepared)

    monkeypatch.setattr(TorchEngine, "score", score)
    quick = {**TEACHER, "size": 64, "steps": 1, "batch_size": 2, "device": "cpu", "workers": 0}
    with pytest.raises(ts.errors.TwinspectError, match="the score is not finite"):
        ts.Detector("rd", **quick).fit(parts)
