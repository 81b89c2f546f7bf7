"""The demo: its images are what they say, and the verb runs to its report."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinspect.cli import main
from twinspect.data import open_data
from twinspect.data.demo import DEFECTS, PHOTOGRAPHS, write_demo
from twinspect.detector import Detector


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder)
    return folder


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_the_data_set_is_in_mvtec_layout_with_every_mask(written: Path) -> None:
    data = open_data(written)
    assert data.categories == PHOTOGRAPHS
    assert len(data.split("train")) == 3 * 40
    assert len(data.split("test")) == 3 * 24
    assert {sample.label for sample in data.split("test")} == {"good", *DEFECTS}
    assert not data.skipped
    assert not data.unmasked
    assert all(pixels(s.mask).max() == 255 for s in data.split("test") if s.mask is not None)


def test_no_tile_is_used_twice(written: Path) -> None:
    good = [sample for sample in open_data(written) if sample.is_good]
    assert len({pixels(sample.path).tobytes() for sample in good}) == len(good)


def test_masks_cover_what_differs_from_the_photograph(written: Path) -> None:
    """Every defective tile minus its mask is a tile of the photograph again."""
    import skimage

    photograph = pixels(Path(skimage.__file__).parent / "data" / "brick.png")
    tiles = [
        photograph[row : row + 64, column : column + 64]
        for row in range(0, 512, 64)
        for column in range(0, 512, 64)
    ]
    for sample in open_data(written / "brick").split("test"):
        if sample.mask is not None:
            damaged, mask = pixels(sample.path), pixels(sample.mask) > 0
            near = np.pad(mask, 3)  # a soft edge reaches a little over the mask
            near = np.any([np.roll(near, (r, c), (0, 1)) for r in range(-3, 4) for c in range(-3, 4)], axis=0)
            clean = ~near[3:-3, 3:-3]
            distance = min(np.abs(damaged - tile)[clean].max() for tile in tiles)
            assert distance <= 12, sample.name
            assert mask.mean() > 0.005


def test_the_same_seed_draws_the_same_images(written: Path, tmp_path: Path) -> None:
    write_demo(tmp_path / "again")
    write_demo(tmp_path / "other", seed=1)
    name = "gravel/test/scratch/001.png"
    assert (tmp_path / "again" / name).read_bytes() == (written / name).read_bytes()
    assert (tmp_path / "other" / name).read_bytes() != (written / name).read_bytes()


def test_the_verb_ends_with_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("twinspect.cli.demo.Detector", partial(Detector, steps=3, members=50, size=64))
    assert main(["demo", "--out", str(tmp_path / "demo"), "--json"]) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    written = json.loads((tmp_path / "demo" / "report" / "metrics.json").read_text())
    assert written["pooled"] == record["pooled"]
    assert (tmp_path / "demo" / "report" / "report.html").is_file()
    assert (tmp_path / "demo" / "report" / "scores.csv").is_file()
    model = json.loads((tmp_path / "demo" / "demo.twin" / "model.json").read_text())
    assert (model["teacher"]["name"], model["teacher"]["source"]) == ("pocket", "this package")
