"""Everything that people feed a program by mistake: each ends in one clear line, and nothing is half-written."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from drawn_parts import stripes, write_image
from full_disk import full_disk
from messages import error_lines
from twinspect.cli import main

FIT = ["--teacher", "test_resnet", "--weights", "random", "--size", "64", "--device", "cpu", "--steps", "2"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    return call


def huge_png(path: Path) -> None:
    """A valid header of 20000 x 20000 pixels, and next to no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )


def truncated_jpeg(path: Path) -> None:
    Image.fromarray(stripes(0, 200)).save(path)
    path.write_bytes(path.read_bytes()[:2000])


def nan_tiff(path: Path) -> None:
    values = np.full((20, 20), 0.5, dtype=np.float32)
    values[3, 4] = np.nan
    tifffile.imwrite(path, values)


BAD_FILES = {
    "text.png": (lambda path: path.write_text("hello"), "not an image|no image|cannot"),
    "empty.jpg": (lambda path: path.write_bytes(b""), "empty|0 bytes"),
    "cut.jpg": (truncated_jpeg, "truncated|cut|damaged|ends"),
    "dot.png": (lambda path: Image.new("RGB", (1, 1)).save(path), "too small"),
    "huge.png": (huge_png, "20000"),
    "nan.tiff": (nan_tiff, "NaN"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_score_gives_a_bad_file_one_row_and_scores_the_others(
    run: Any, model: Path, tmp_path: Path, name: str
) -> None:
    import csv
    import re

    folder = tmp_path / "images"
    write_image(folder / "a.png", stripes(1))
    write_image(folder / "z.png", stripes(2))
    make, message = BAD_FILES[name]
    make(folder / name)
    code, err = run("score", model, folder, "--out", tmp_path / "r.csv")
    assert code == 3
    assert "Traceback" not in err
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert len(rows) == 3
    assert re.search(message, rows[name]["error"])
    assert rows["a.png"]["score"]
    assert rows["z.png"]["score"]


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_strict_fit_names_a_bad_file_and_writes_nothing(
    run: Any, parts: Path, tmp_path: Path, name: str
) -> None:
    folder = shutil.copytree(parts / "train" / "good", tmp_path / "good")
    BAD_FILES[name][0](folder / name)
    code, err = run("fit", folder, "--out", tmp_path / "m.twin", *FIT, "--strict")
    assert code == 2
    assert name in err
    assert error_lines(err) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good"]


def test_an_empty_folder(run: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for verb in (
        ("fit", tmp_path / "empty", "--out", tmp_path / "m.twin", *FIT),
        ("score", model, tmp_path / "empty"),
    ):
        code, err = run(*verb)
        assert (code, "no images" in err) == (2, True)
        assert error_lines(err) == 1


def test_one_image(run: Any, tmp_path: Path) -> None:
    write_image(tmp_path / "one" / "1.png", stripes(1))
    code, err = run("fit", tmp_path / "one", "--out", tmp_path / "m.twin", *FIT, "--false-alarm-rate", "0.05")
    assert (code, "a single good image promises no false-alarm rate: give at least 48" in err) == (2, True)
    code, err = run("fit", tmp_path / "one", "--out", tmp_path / "m.twin", *FIT, "--calibration", "cv")
    assert (code, "needs 2 good images, got 1" in err) == (2, True)


def test_a_mask_of_another_size(run: Any, model: Path, parts: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(parts, tmp_path / "parts")
    write_image(copy / "ground_truth" / "square" / "3_mask.png", np.zeros((40, 50), np.uint8))
    code, err = run("evaluate", model, copy, "--out", tmp_path / "report")
    assert code == 2
    assert "3_mask.png" in err
    assert "50" in err
    assert "48" in err
    assert not (tmp_path / "report" / "metrics.json").exists()
    assert run("doctor", copy)[0] == 3


def test_a_weights_file_of_another_network(run: Any, parts: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.zeros(3, 3)}, tmp_path / "other.safetensors")
    code, err = run(
        "fit", parts, "--out", tmp_path / "m.twin", *FIT, "--weights", tmp_path / "other.safetensors"
    )
    assert code == 2
    assert "conv1.weight" in err
    assert error_lines(err) == 1


def test_a_model_with_a_flipped_byte(run: Any, model: Path, parts: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "m.twin")
    content = bytearray((copy / "weights.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "weights.safetensors").write_bytes(content)
    code, err = run("score", copy, parts / "test", "--out", tmp_path / "r.csv")
    assert (code, "weights.safetensors is damaged or altered" in err) == (2, True)
    assert not (tmp_path / "r.csv").exists()


def test_a_disk_that_fills_up_while_fit_saves(run: Any, parts: Path, tmp_path: Path) -> None:
    with full_disk(1000):
        code, err = run(
            "fit", parts, "--out", tmp_path / "m.twin", *FIT, "--method", "rd", "--no-detectability"
        )
    assert code == 2, err
    assert "Traceback" not in err
    assert "File too large" in err
    assert not (tmp_path / "m.twin").exists()


def test_no_permission_and_no_folder_are_one_line(run: Any, model: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "1.png", stripes(1))
    (tmp_path / "file").write_text("x")
    code, err = run("score", model, tmp_path / "1.png", "--out", tmp_path / "file" / "r.csv")
    assert code == 2
    assert len([line for line in err.splitlines() if "error" in line]) == 1
