"""Suspects among good images: distances against brute force, what the commands show, and what a fit leaves out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import median_abs_deviation

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, blemish, stripes, write_image
from twinspect.cli import main
from twinspect.data import Sample
from twinspect.evaluation.suspects import FEWEST, find_suspects, standardized, strangeness_of
from twinspect.images.perceptual_hash import duplicate_pairs, near_duplicates, perceptual_hash

if TYPE_CHECKING:
    from twinspect.evaluation.suspects import Suspects


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve good parts, two damaged ones among them, a copy of one of them, and a file that is no image."""
    root = tmp_path_factory.mktemp("dirty") / "parts"
    for number in range(12):
        write_image(root / f"{number:02d}.png", stripes(number))
    for number in (20, 21):
        write_image(root / f"{number}.png", blemish(stripes(number), top=number))
    shutil.copy(root / "03.png", root / "30.png")
    (root / "40.png").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def found(dirty: Path) -> Suspects:
    return find_suspects(ts.data.open_data(dirty).samples)


def test_strangeness_is_the_mean_of_the_largest_of_mean_nearest_distances() -> None:
    random = np.random.default_rng(0)
    patches, *others = random.normal(size=(12, 200, 5)).astype(np.float32)
    nearest = np.sort([cdist(patches, other, "sqeuclidean").min(axis=1) for other in others], axis=0)
    of_patches = np.sort(np.sqrt(nearest[:3].mean(axis=0)))  # 0.3 of 11 others
    expected = of_patches[-2:].mean()  # 0.01 of 200 patches
    computed = strangeness_of(torch.from_numpy(patches), [torch.from_numpy(other) for other in others])
    assert computed == pytest.approx(expected, rel=1e-5)


def test_damaged_parts_are_the_strangest_and_suspects(found: Suspects) -> None:
    assert set(found.ranked()[:2]) == {"20.png", "21.png"}
    assert found.names[:2] == found.ranked()[:2]
    assert all((found.strangeness[name] > 1) == (name in found.names) for name in found.ranked())
    assert np.median(list(found.strangeness.values())) == pytest.approx(0, abs=1e-6)


def test_a_copy_is_paired_and_a_damaged_file_named(found: Suspects) -> None:
    assert ("03.png", "30.png") in found.duplicates
    assert list(found.unreadable) == ["40.png"]
    assert found.images == 16
    assert len(found.strangeness) == 15


def test_twice_the_same_and_nothing_else_is_read_with_less_time(dirty: Path, found: Suspects) -> None:
    samples = ts.data.open_data(dirty).samples
    assert find_suspects(samples, workers=0).to_record() == found.to_record()
    assert find_suspects(samples, seconds=0.0).strangeness == found.strangeness  # so many always


def test_suspects_are_outliers_by_the_median_of_deviations_of_logarithms() -> None:
    values = np.exp(np.random.default_rng(0).normal([0.0] * 90 + [2.0] * 10, 0.2))
    found = standardized(dict(zip(map(str, range(100)), values.tolist(), strict=True)))
    logarithms = np.log(values)
    deviations = (logarithms - np.median(logarithms)) / median_abs_deviation(logarithms, scale="normal")
    assert list(found.values()) == pytest.approx(deviations / 3.5, rel=1e-4)
    assert [int(name) for name in found if found[name] > 1] == list(range(90, 100))


def test_scores_that_are_all_equal_make_any_other_a_suspect() -> None:
    for usual in (0.0, 1.0):
        found = standardized(dict.fromkeys("abcdefgh", usual) | {"i": 1.1})
        assert [name for name in found if found[name] > 1] == ["i"]
        assert found["a"] == 0


def test_categories_are_compared_with_themselves_and_few_images_not_at_all() -> None:
    pixels = [stripes(number) for number in range(FEWEST)] + [
        255 - stripes(number) for number in range(FEWEST)
    ]
    samples = [
        Sample(Path(str(number)), str(number), "train", category=str(number // FEWEST), pixels=value)
        for number, value in enumerate(pixels)
    ]
    found = find_suspects(samples)
    medians = [np.median([found.strangeness[str(n)] for n in range(k, k + FEWEST)]) for k in (0, FEWEST)]
    assert medians == pytest.approx([0, 0], abs=1e-6)
    assert find_suspects(samples[: FEWEST - 1]).strangeness == {}


def test_pairs_agree_with_the_test_of_each_picture_against_the_earlier_ones() -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (40, 40, 3)).astype(np.uint8) for _ in range(6)]
    brighter = np.clip(pictures[1].astype(int) + 2, 0, 255).astype(np.uint8)
    hashes = [perceptual_hash(picture) for picture in [*pictures, brighter, pictures[4]]]
    assert duplicate_pairs(hashes) == [(1, 6), (4, 7)]
    assert near_duplicates(hashes[6:], hashes[:6]) == [True, True]
    assert duplicate_pairs(hashes[:1]) == []
    assert duplicate_pairs([]) == []


def test_doctor_writes_a_page_and_json(run: Any, dirty: Path, found: Suspects, tmp_path: Path) -> None:
    page = tmp_path / "suspects.html"
    code, text, _ = run("doctor", dirty, "--suspects", "--out", page, "--quick")
    assert code == 3  # a file cannot be read
    assert "look unlike the others" in text
    html = page.read_text(encoding="utf-8")
    assert html.index("20.png") < html.index("05.png")
    assert html.count("data:image/jpeg") == 15 + 2 * len(found.duplicates)
    code, text, _ = run("doctor", dirty, "--suspects", "--out", page, "--quick", "--json")
    record = json.loads(text)["suspects"]
    assert record["suspects"] == list(found.names)
    assert list(record["strangeness"]) == list(found.ranked())
    page.write_text("mine")
    code, _, error = run("doctor", dirty, "--suspects", "--out", page)
    assert code == 2
    assert "decode" not in error  # no image is read for a page that cannot be written
    assert "was not written by doctor --suspects" in error
    assert page.read_text() == "mine"


def test_doctor_needs_images_to_look_at(run: Any) -> None:
    code, _, error = run("doctor", "--suspects")
    assert code == 2
    assert "add a folder" in error


BRIEFLY = (
    "--method",
    "mkd",
    *AS_ARGUMENTS,
    "--size",
    64,
    "--steps",
    2,
    "--no-detectability",
    "--device",
    "cpu",
)


def test_fit_names_suspects_and_leaves_them_out_if_asked(
    run: Any, dirty: Path, found: Suspects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twinspect.cli.suspects.LEAST_SECONDS", 0.0)
    out = tmp_path / "m.twin"
    code, text, error = run("fit", dirty, "--out", out, *BRIEFLY, "--json")
    assert code == 3  # a file cannot be read
    assert "20.png" in error
    assert "twinspect doctor --suspects" in error
    assert json.loads(text)["suspects"]["suspects"] == list(found.names)
    assert "excluded_suspects" not in ts.load(out).data_
    code, text, error = run(
        "fit", dirty, "--out", out, *BRIEFLY, "--exclude-suspects", "--overwrite", "--json"
    )
    assert "unlike the others; left out: " in error
    images = json.loads(text)["images"]
    assert images["excluded_suspects"] == list(found.names)
    assert images["train"] + images["calibration"] == 15 - len(found.names)
    model = ts.load(out)
    assert model.data_["excluded_suspects"] == list(found.names)
    assert not set(model.calibration_.names) & set(found.names)
    _, text, _ = run("inspect", out)
    assert f"{len(found.names)} suspects left out" in text


def test_too_few_images_are_not_said_to_be_like_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        write_image(tmp_path / "few" / f"{number}.png", stripes(number))
    assert main(["doctor", str(tmp_path / "few"), "--suspects", "--out", str(tmp_path / "page.html")]) == 0
    said = capsys.readouterr().out
    assert "too few good images to tell which look unlike the others: 8 of a category are needed" in said
    assert "0 of 0" not in said
