"""Features of patches, as the report shows them on request."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import SHIPPED, quick
from twinspect.cli import main
from twinspect.data.pixels import read_pixels
from twinspect.errors import DataError
from twinspect.evaluation import patch_features
from twinspect.evaluation.patch_features import sample_patches
from twinspect.model.preprocessing import as_batch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def amplified(parts: Path) -> ts.Detector:
    return ts.Detector("aand", **{**quick("aand", steps=4), **SHIPPED}).fit(parts)


def test_patches_are_of_both_kinds_and_of_the_teachers_middle_level(
    amplified: ts.Detector, parts: Path
) -> None:
    found = sample_patches(amplified, parts, each=50)
    assert found.level == "stage2"
    assert found.vanilla.shape == (found.is_anomalous.size, 128)
    assert found.amplified is not None
    assert found.amplified.shape == found.vanilla.shape
    assert 0 < found.is_anomalous.sum() <= 50
    assert (~found.is_anomalous).sum() == 50


def test_they_are_the_features_of_patches_under_the_mask(amplified: ts.Detector, parts: Path) -> None:
    """The 12 px square at row 8, column 28 of a 48 px image is 16 px at (10.7, 37.3) of 64: 8 px patches 1-3, 4-7."""
    model = amplified.model_
    samples = [s for s in ts.data.open_data(parts).split("test") if s.mask is not None]
    allowed = []
    for sample in samples:
        with torch.no_grad():
            level = model.method.teacher(model.preprocessing.apply(as_batch(read_pixels(sample))))[1][0]
        allowed.append(level[:, 1:4, 4:7].flatten(1).T)
    rows = torch.cat(allowed).numpy()
    found = sample_patches(amplified, parts)
    for row in found.vanilla[found.is_anomalous]:
        assert np.abs(rows - row).max(axis=1).min() < 1e-4


def test_the_draw_is_seeded(amplified: ts.Detector, parts: Path) -> None:
    one, two, other = (sample_patches(amplified, parts, each=30, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.vanilla, two.vanilla)
    assert not np.array_equal(one.vanilla, other.vanilla)


def test_a_method_that_changes_nothing_has_no_amplified_features(fitted: ts.Detector, parts: Path) -> None:
    assert sample_patches(fitted, parts, each=20).amplified is None


def test_without_masks_it_says_so(fitted: ts.Detector, parts: Path) -> None:
    with pytest.raises(DataError, match="put masks into ground_truth"):
        sample_patches(fitted, parts / "train" / "good")


def test_the_report_shows_them_on_request(
    amplified: ts.Detector,
    parts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patch_features, "PATCHES_PER_IMAGE", 10)
    amplified.save(tmp_path / "m.twin")
    command = ["evaluate", str(tmp_path / "m.twin"), str(parts), "--out", str(tmp_path / "out"), "--features"]
    assert main(command) == 0
    capsys.readouterr()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    section = page[page.index("<h2>Features") :]
    assert "Patches as the teacher sees them." in section
    assert "Patches amplified." in section
    crosses = re.findall(r'<path d="M[^"]*M[^"]*" transform="[^"]*" style="[^"]*var\(--orange\)', section)
    assert len(crosses) > 2
    assert "<h2>Training" in page


def test_without_scikit_learn_it_names_the_extra(
    model: Path,
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert main(["evaluate", str(model), str(parts), "--out", str(tmp_path / "out"), "--features"]) == 2
    assert "pip install 'twinspect[plots]'" in capsys.readouterr().err
