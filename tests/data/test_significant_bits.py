"""Unused bits of 16-bit images: found in the set, said, recorded with the model, and never a reason to stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

import twinspect as ts
from drawn_parts import AS_ARGUMENTS, quick
from twinspect.cli import main
from twinspect.data import open_data
from twinspect.data.significant_bits import describe_bits, largest_value, recognise_bits
from twinspect.errors import ConfigError
from twinspect.images.reading import largest_deep_value, read_rgb

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

QUICK = {**quick("mkd", 3), "calibration": "split"}


def values(seed: int, largest: int, channels: int = 1) -> NDArray[np.uint16]:
    drawn = np.random.default_rng(seed).integers(0, largest, (40, 48, channels))
    drawn[3, 4] = largest
    return drawn.astype(np.uint16).squeeze()


def folder(path: Path, *largest: int, shift: int = 0) -> Path:
    path.mkdir()
    for number, value in enumerate(largest):
        tifffile.imwrite(path / f"{number:02d}.tif", values(number, value) << shift)
    return path


@pytest.mark.parametrize(
    ("largest", "bits"),
    [
        (None, None), (0, None), (1, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, None),
        (16383, None), (65535, None),
    ],
)  # fmt: skip
def test_depths_of_cameras(largest, bits):
    assert recognise_bits(largest) == bits


@pytest.mark.parametrize(
    ("largest", "text"),
    [
        (1020, "no image uses more than 10 of its 16 bits (largest value 1020): read as --bits 10"),
        (16000, "if the camera gives 14, add --bits 14"),
        (None, ""),
        (16384, ""),
        (0, ""),
    ],
)
def test_what_is_said(largest, text):
    assert text in describe_bits(largest)
    assert bool(text) == bool(describe_bits(largest))


def test_largest_value_of_files_and_of_the_set(tmp_path):
    data = open_data(folder(tmp_path / "set", 1000, 1023, 900))
    assert largest_value(data.samples) == 1023
    assert largest_value(data.samples, enough=500, workers=0) == 1000
    Image.new("L", (8, 8), 255).save(tmp_path / "8.png")
    assert largest_deep_value(tmp_path / "8.png") is None
    tifffile.imwrite(tmp_path / "f.tif", np.ones((8, 8), dtype=np.float32))
    assert largest_deep_value(tmp_path / "f.tif") is None
    Image.fromarray(values(0, 700)).save(tmp_path / "16.png")
    assert largest_deep_value("kept", content=(tmp_path / "16.png").read_bytes()) == 700
    tifffile.imwrite(tmp_path / "c.tif", values(0, 4000, 3), photometric="rgb")
    assert largest_deep_value(tmp_path / "c.tif") == 4000


def test_opaque_alpha_does_not_count(tmp_path):
    drawn = values(0, 1023, 4)
    drawn[..., 3] = 65535
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", drawn, **options)
    assert largest_deep_value(tmp_path / "a.tif") == 1023


def test_bits_at_the_top_are_read_as_they_are(tmp_path):
    data = open_data(folder(tmp_path / "set", 4095, 4000, shift=4))
    assert describe_bits(largest_value(data.samples)) == ""


def test_broken_files_and_pixels_in_memory_are_passed_over(tmp_path):
    path = folder(tmp_path / "set", 1000)
    (path / "broken.tif").write_bytes(b"II*\0")
    assert largest_value(open_data(path).samples) == 1000
    assert largest_value(open_data(np.zeros((2, 8, 8, 3), dtype=np.uint8)).samples) is None


@pytest.fixture(scope="module")
def ten_bits(tmp_path_factory):
    """The folder of images, and the model that was fitted on them without saying their bits."""
    place = tmp_path_factory.mktemp("ten")
    images = folder(place / "good", *[1023] * 8)
    detector = ts.Detector(**QUICK).fit(images)
    detector.save(place / "m.twin")
    return images, detector, place / "m.twin"


def test_fit_recognises_them_and_the_model_keeps_them(ten_bits):
    images, detector, model = ten_bits
    assert detector.bits == 10
    assert detector.data_["recognised_bits"] == 10
    loaded = ts.load(model)
    assert loaded.bits == 10
    given = ts.Detector(**{**QUICK, "bits": 10}).fit(images)
    scores = [one.score(images).image for one in (detector, loaded, given)]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


def test_an_overexposed_image_later_is_white_there(ten_bits, tmp_path):
    _, detector, _ = ten_bits
    frame = values(1, 1023)
    frame[10:20, 10:20] = 5000
    tifffile.imwrite(tmp_path / "a.tif", frame)
    tifffile.imwrite(tmp_path / "b.tif", np.minimum(frame, 1023))
    first, second = detector.score([tmp_path / "a.tif", tmp_path / "b.tif"]).image
    assert first == second
    assert read_rgb(tmp_path / "a.tif", bits=10)[10:20, 10:20].min() == 255


def test_test_images_decide_nothing(tmp_path):
    root = tmp_path / "parts"
    (root / "train").mkdir(parents=True)
    (root / "test").mkdir()
    folder(root / "train/good", *[900] * 8)
    folder(root / "test/good", 65535)
    folder(root / "test/scratch", 65535)
    assert ts.Detector(**QUICK).fit(root).bits == 10


def test_fitting_again_asks_again(ten_bits, tmp_path):
    _, detector, model = ten_bits
    again = ts.load(model)
    again.fit(folder(tmp_path / "deep", *[65535] * 8))
    assert again.bits is None
    assert "recognised_bits" not in again.data_
    assert detector.bits == 10


def test_bits_that_the_images_exceed_are_refused(ten_bits):
    with pytest.raises(
        ConfigError, match="bits is 9, which allows values up to 511, but an image holds 1023"
    ):
        ts.Detector(**{**QUICK, "bits": 9}).fit(ten_bits[0])
    with pytest.raises(ConfigError, match="bits is 7; allowed are 8 to 16"):
        ts.Detector(**{**QUICK, "bits": 7}).fit(ten_bits[0])


def test_fit_and_doctor_say_so(ten_bits, tmp_path, capsys):
    images, *_ = ten_bits
    assert (
        main(
            [
                "fit",
                str(images),
                *AS_ARGUMENTS,
                "--calibration",
                "split",
                "--steps",
                "2",
                "--size",
                "64",
                "--out",
                str(tmp_path / "m.twin"),
            ]
        )
        == 0
    )
    assert "no image uses more than 10 of its 16 bits" in capsys.readouterr().err
    assert main(["doctor", str(images)]) == 0
    assert "read as --bits 10" in capsys.readouterr().out
    assert main(["doctor", str(images), "--json"]) == 0
    assert "10 of its 16" in json.loads(capsys.readouterr().out)["data"]["bits"]
