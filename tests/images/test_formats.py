"""The table of image formats: every row has what a format needs, and is told apart by its first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, features

import dicom_files
import heic_files
from twinspect.images import decoding, file_structure
from twinspect.images.formats import (
    AVIF,
    DICOM,
    FORMATS,
    HEIC,
    MEDIA_TYPES,
    SIGNATURE_BYTES,
    ImageFormat,
    detect_format,
)
from twinspect.images.reading import read_rgb

if TYPE_CHECKING:
    from pathlib import Path


SHAPE = (48, 64, 3)


def path_of(image_format: ImageFormat, path: Path) -> Path:
    """Write a file of a format; skips, visibly, where what reads it is not installed."""
    if image_format is HEIC:
        pytest.importorskip("pi_heif")
        path.write_bytes(heic_files.HEIC)
    elif image_format is DICOM:
        dicom_files.save(path, np.full(SHAPE, 80, dtype=np.uint8))
    else:
        if image_format is AVIF and not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        Image.new("RGB", (64, 48), (200, 100, 50)).save(path)
    return path


@pytest.mark.parametrize("image_format", FORMATS, ids=lambda row: row.name)
def test_every_format_is_detected_walked_and_decoded(tmp_path, image_format, monkeypatch):
    for suffix in image_format.suffixes:
        path = tmp_path / f"a{suffix}"
        data = path_of(image_format, path).read_bytes()
        assert detect_format(data[:SIGNATURE_BYTES]) is image_format
        assert file_structure.read_structure(image_format, data).end <= len(data)
        assert read_rgb(path).shape == SHAPE
        monkeypatch.setattr(decoding, "detect_format", lambda _: pytest.fail("detected twice"))
        assert read_rgb("a", content=data, image_format=image_format).shape == SHAPE
        monkeypatch.undo()
    assert MEDIA_TYPES[image_format.suffixes[0]] == image_format.media_type


@pytest.mark.parametrize(
    "start",
    [
        b"", b"B", b"GIF89a", b"RIFF\0\0\0\0WAVE", b"II+\1", b"MM*\0", b" \x89PNG\r\n\x1a\n",
        b"\0\0\0\x18ftypisom\0\0\2\0isommp41", b"\0" * 127 + b"DICM",
    ],
)  # fmt: skip
def test_other_files_are_no_image(start):
    assert detect_format(start) is None


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_tiff_of_both_byte_orders_and_sizes(start):
    assert detect_format(start).name == "TIFF"


def test_any_length_of_a_webp_file_is_allowed():
    assert detect_format(b"RIFF\n\n\0\xffWEBPVP8 ").name == "WebP"


@pytest.mark.parametrize(
    ("brands", "name"),
    [
        (b"heic\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"avif\0\0\0\0avifmif1", "AVIF"),
        (b"avis\0\0\0\0avifmsf1", "AVIF"),
    ],
)
def test_boxes_name_what_they_are(brands, name):
    assert detect_format(b"\0\0\0\x1cftyp" + brands).name == name
