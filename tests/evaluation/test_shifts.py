"""Errors under changes of all test images, against scoring the changed images as any others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import twinspect as ts
from drawn_parts import write_image
from twinspect.evaluation.shifts import SHIFTS, UNCHANGED
from twinspect.images.reading import read_rgb

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def evaluation(fitted: ts.Detector, parts: Path) -> Any:
    return ts.evaluate(fitted, parts, shifts=True)


def test_the_first_row_is_the_evaluation_itself(evaluation: Any) -> None:
    first = evaluation.shifts[0]
    assert first.shift == UNCHANGED
    assert first.image_auroc == evaluation.mean["image_auroc"]
    flagged = {row["label"]: row["flagged"] for row in evaluation.defects}
    assert (first.false_alarms, first.misses) == (flagged["good"], 6 - flagged["square"])
    assert [result.shift for result in evaluation.shifts[1:]] == list(SHIFTS)


@pytest.mark.parametrize("shift", [SHIFTS[0], SHIFTS[-1]], ids=lambda shift: shift.name)
def test_a_row_is_that_of_files_changed_beforehand(
    shift: Any, evaluation: Any, fitted: ts.Detector, parts: Path, tmp_path: Path
) -> None:
    for path in (parts / "test").rglob("*.png"):
        write_image(tmp_path / path.parent.name / path.name, shift.change(read_rgb(path)))
    good, defective = (fitted.score(tmp_path / name, maps=False) for name in ("good", "square"))
    (result,) = (result for result in evaluation.shifts if result.shift == shift)
    assert result.good == good.is_inspectable.sum()
    assert result.false_alarms == good.is_anomalous.sum()
    assert result.misses == (~defective.is_anomalous & defective.is_inspectable).sum()
    assert result.good + result.defective + result.not_inspectable == 12
    labels = [0] * 6 + [1] * 6
    assert result.image_auroc == pytest.approx(roc_auc_score(labels, [*good.image, *defective.image]))


def test_the_images_on_disk_and_the_metrics_stay_as_they_are(
    evaluation: Any, fitted: ts.Detector, parts: Path
) -> None:
    plain = ts.evaluate(fitted, parts)
    assert plain.shifts == ()
    record = evaluation.to_record()
    assert len(record.pop("shifts")) == 1 + len(SHIFTS)
    assert record == plain.to_record()


def test_the_command_writes_table_curves_and_json(run: Any, model: Path, parts: Path, tmp_path: Path) -> None:
    code, text, _ = run("evaluate", model, parts, "--out", tmp_path, "--shifts")
    assert code == 0
    assert "brightness -20 %" in text
    written = json.loads((tmp_path / "metrics.json").read_text())["shifts"]
    assert [row["shift"] for row in written] == ["none", *(shift.name for shift in SHIFTS)]
    page = (tmp_path / "report.html").read_text()
    assert "Where lines change" in page
    assert page.count("error rates against") == 2
    code, text, _ = run("evaluate", model, parts, "--out", tmp_path, "--shifts", "--json")
    assert json.loads(text)["shifts"] == written


def test_without_defective_images_there_is_no_curve(run: Any, model: Path, tmp_path: Path) -> None:
    for number in range(2):
        values = np.full((48, 48, 3), 90 + number, dtype=np.uint8)
        write_image(tmp_path / "d" / "test" / "good" / f"{number}.png", values)
    run("evaluate", model, tmp_path / "d", "--out", tmp_path / "r", "--shifts")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Where lines change" in page
    assert "error rates against" not in page
