"""`twinspect synth`, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drawn_parts import stripes, write_image
from messages import error_lines
from twinspect.cli import main
from twinspect.cli.synth import GAP


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["synth", *[str(argument) for argument in arguments]])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.mark.parametrize("kind", ["draem", "cutpaste", "poisson", "mixed"])
def test_a_sheet_is_written(kind: str, run: Any, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    code, text, _ = run(parts, "--out", out, "--kind", kind, "--size", 64, "--count", 10, "--json")
    record = json.loads(text)
    assert code == 0
    assert record["sheet"] == str(out / "contact_sheet.png")
    assert record["images"] == 10
    assert 0 <= record["normal"] < 10
    assert 0 < record["mean_masked_share"] < 0.5
    assert record["whole_image_foregrounds"] == 10  # stripes fill the frame
    sheet = np.asarray(Image.open(record["sheet"]))
    assert sheet.shape == (2 * 4 * (64 + 2 * GAP), 8 * (64 + 2 * GAP), 3)  # ten images: eight and two
    cells = sheet.reshape(2, 4, 72, 8, 72, 3)[:, :, GAP:-GAP, :, GAP:-GAP].transpose(0, 3, 1, 2, 4, 5)
    images, _, made, masks = np.moveaxis(cells.reshape(16, 4, 64, 64, 3)[:10], 1, 0)
    np.testing.assert_array_equal(made[masks == 0], images[masks == 0])
    assert masks.any(axis=(1, 2, 3)).sum() == 10 - record["normal"]


def test_the_text_says_what_was_made(run: Any, parts: Path, tmp_path: Path) -> None:
    code, text, _ = run(parts, "--out", tmp_path, "--size", 48, "--count", 4)
    assert code == 0
    assert "contact_sheet.png: 4 images, of which" in text
    assert "stayed normal" in text
    assert "the whole image in 4" in text


def test_the_seed_decides(run: Any, parts: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(parts, "--out", tmp_path / name, "--size", 48, "--count", 6, "--seed", seed)[0] == 0
    sheets = [(tmp_path / name / "contact_sheet.png").read_bytes() for name in "abc"]
    assert sheets[0] == sheets[1] != sheets[2]


def test_only_good_training_images_are_used(run: Any, parts: Path, tmp_path: Path) -> None:
    code, text, _ = run(parts, "--out", tmp_path, "--size", 32, "--count", 500, "--json")
    assert (code, json.loads(text)["images"]) == (0, 24)


def test_textures_from_a_folder(run: Any, parts: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "textures" / "a.png", stripes(3, 64)[::-1])
    code, _, _ = run(parts, "--out", tmp_path, "--textures", tmp_path / "textures", "--size", 48)
    assert code == 0


def test_an_unreadable_image_is_named_and_the_rest_is_shown(run: Any, parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts / "train" / "good", tmp_path / "some")
    (tmp_path / "some" / "0.png").write_bytes(b"no image")
    code, text, error = run(
        tmp_path / "some", "--out", tmp_path / "out", "--size", 32, "--count", 5, "--json"
    )
    record = json.loads(text)
    assert code == 3
    assert record["images"] == 4
    assert [Path(entry["path"]).name for entry in record["unreadable"]] == ["0.png"]
    assert "0.png" in error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--kind", "cutpast"), "no kind of synthetic anomaly 'cutpast'; did you mean 'cutpaste'?"),
        (("--textures", "nowhere"), "nowhere: no such folder; textures come from a folder of images"),
        (("--count", 0), "--count is 0 and --size is 256; allowed are --count from 1 and --size from 16"),
        (("--size", 8), "allowed are --count from 1 and --size from 16"),
        (("--seed", -1), "seed is -1"),
    ],
)
def test_mistakes_end_in_one_line(
    more: tuple[object, ...], message: str, run: Any, parts: Path, tmp_path: Path
) -> None:
    code, _, error = run(parts, "--out", tmp_path / "out", *more)
    assert code == 2
    assert message in error
    assert error_lines(error) == 1
    assert not (tmp_path / "out").exists()


def test_data_without_good_images_is_refused(run: Any, parts: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "none", "--out", tmp_path)[0] == 2
    write_image(tmp_path / "bad" / "a.png", stripes(0))
    (tmp_path / "bad" / "a.png").write_bytes(b"no image")
    code, _, error = run(tmp_path / "bad", "--out", tmp_path / "out")
    assert code == 2
    assert "none of the 1 images chosen can be read" in error
