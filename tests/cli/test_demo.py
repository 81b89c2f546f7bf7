"""The demo: its images are what they say, and the verb runs to its page."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from twinspect.cli import demo, main
from twinspect.data import demo as demo_data
from twinspect.data import open_data
from twinspect.data.demo import PRODUCTS, write_demo
from twinspect.data.demo.photographs import COINS
from twinspect.detector import Detector
from twinspect.utils import desktop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few images, but of every kind."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_data, "TRAIN", 4)
        patch.setattr(demo_data, "GOOD_TESTS", 2)
        patch.setattr(demo_data, "EACH_DEFECT", 2)
        write_demo(folder)
    return folder


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_the_data_set_is_in_mvtec_layout_with_every_mask(written: Path) -> None:
    data = open_data(written)
    assert data.categories == tuple(sorted(PRODUCTS))
    assert len(data.split("train")) == 3 * 4
    assert len(data.split("test")) == 3 * (2 + 4 * 2)
    assert not data.skipped
    assert not data.unmasked
    for name, product in PRODUCTS.items():
        own = open_data(written / name)
        assert {sample.label for sample in own.split("test")} == {"good", *product.defects}
        assert {min(pixels(sample.path).shape[:2]) >= 256 for sample in own} == {True}
        assert all(pixels(s.mask).max() == 255 for s in own.split("test") if s.mask is not None)


def test_no_image_is_written_twice(written: Path) -> None:
    samples = list(open_data(written))
    assert len({pixels(sample.path).tobytes() for sample in samples}) == len(samples)


@pytest.mark.parametrize(
    ("name", "label"), [(name, label) for name, product in PRODUCTS.items() for label in product.defects]
)
def test_a_mask_covers_what_was_changed(name: str, label: str) -> None:
    """Away from the mask, by a soft edge or a shadow, nothing differs from the good photograph."""
    product, random = PRODUCTS[name], np.random.default_rng(5)
    good = product.take(random)
    damaged, mask = product.defects[label](good, random)
    near = np.pad(mask, 14)
    for axis in (0, 1):
        near = np.any([np.roll(near, step, axis) for step in range(-14, 15)], axis=0)
    difference = np.abs(damaged - good).max(axis=2)
    assert difference[~near[14:-14, 14:-14]].max() < 4
    assert np.median(difference[mask]) > 15
    assert 0.0005 < mask.mean() < 0.06


def test_every_coin_lies_where_it_is_said_to_lie() -> None:
    """A coin is brighter than the ground around it."""
    tray = PRODUCTS["coins"].take(np.random.default_rng(0))[..., 0]
    rows, columns = np.indices(tray.shape)
    on_any = np.any([np.hypot(rows - r, columns - c) < radius for r, c, radius in COINS], axis=0)
    for row, column, radius in COINS:
        distance = np.hypot(rows - row, columns - column)
        around = (distance < radius + 10) & ~on_any
        assert tray[distance < 0.6 * radius].mean() > tray[around].mean() + 20, (row, column)


def test_the_same_seed_draws_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_data, "TRAIN", 1)
    monkeypatch.setattr(demo_data, "GOOD_TESTS", 0)
    monkeypatch.setattr(demo_data, "EACH_DEFECT", 1)
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        write_demo(tmp_path / name, seed)
    for name in ("brick/test/scratch/000.png", "coins/train/good/000.png", "coffee/test/hair/000.png"):
        first, again, other = ((tmp_path / run / name).read_bytes() for run in ("first", "again", "other"))
        assert again == first != other


def test_the_verb_ends_with_a_page_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_data, "TRAIN", 6)
    monkeypatch.setattr(demo_data, "GOOD_TESTS", 2)
    monkeypatch.setattr(demo_data, "EACH_DEFECT", 1)
    monkeypatch.setattr(demo, "Detector", partial(Detector, members=20, size=64, calibration="split"))
    monkeypatch.setattr(demo, "STEPS", 2)
    out = tmp_path / "demo"
    stale = out / "data" / "brick" / "test" / "smear" / "000.png"  # of an earlier version
    mine = out / "data" / "brick" / "test" / "smear" / "note.txt"
    stale.parent.mkdir(parents=True)
    stale.touch()
    mine.touch()
    (out / "data" / demo.MARKER).touch()
    assert main(["demo", "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert not stale.exists()
    assert mine.exists()
    assert list(record["products"]) == list(PRODUCTS)
    assert record["pooled"] == record["products"]["brick"]["pooled"]
    page = (out / "gallery.html").read_text(encoding="utf-8")
    for name, (model, report) in {
        "brick": ("demo.twin", "report"),
        "coins": ("coins.twin", "coins-report"),
        "coffee": ("coffee.twin", "coffee-report"),
    }.items():
        described = json.loads((out / model / "model.json").read_text())
        assert (described["teacher"]["name"], described["teacher"]["source"]) == ("pocket", "this package")
        written = json.loads((out / report / "metrics.json").read_text())
        assert written["pooled"] == record["products"][name]["pooled"]
        assert (out / report / "scores.csv").is_file()
        assert f'<a href="{report}/report.html">' in page
        assert (out / report / "report.html").is_file()
    assert not re.search(r'(src|href)="(?!data:|#|(coins-|coffee-)?report/report\.html")', page)
    sizes = {(int(w), int(h)) for w, h in re.findall(r' width="(\d+)" height="(\d+)"><span>', page)}
    assert sizes == {(256, 256), (384, 303), (400, 400)}


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"SSH_CONNECTION": "1"}, False),
        ("linux", {"SSH_CONNECTION": "1", "DISPLAY": "localhost:10.0"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
        ("win32", {"SSH_CONNECTION": "1"}, False),
    ],
)
def test_a_page_opens_only_where_there_is_a_desktop(
    platform: str,
    environment: dict[str, str],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    opened: list[str] = []
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(desktop.sys, "platform", platform)
    monkeypatch.setattr(desktop.webbrowser, "open", lambda page: opened.append(page) or True)
    monkeypatch.setattr(desktop.sys.stdout, "isatty", lambda: True, raising=False)
    assert desktop.open_page(tmp_path / "page.html") is expected
    assert opened == [(tmp_path / "page.html").as_uri()] * expected
    monkeypatch.setattr(desktop.sys.stdout, "isatty", lambda: False, raising=False)
    assert not desktop.open_page(tmp_path / "page.html")


def test_a_file_in_the_way_is_named_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert "is not a folder; choose another place" in said
    assert "writing" not in said
