"""The table of image formats: every row has what a format needs, and is told apart by its first bytes."""

from __future__ import annotations

import pytest
from PIL import Image

from twinspect.images import decoding, file_structure
from twinspect.images.formats import FORMATS, MEDIA_TYPES, SIGNATURE_BYTES, detect_format
from twinspect.images.reading import read_rgb


@pytest.mark.parametrize("image_format", FORMATS, ids=lambda row: row.name)
def test_every_format_is_detected_walked_and_decoded(tmp_path, image_format, monkeypatch):
    for suffix in image_format.suffixes:
        path = tmp_path / f"a{suffix}"
        Image.new("RGB", (8, 6), (200, 100, 50)).save(path)
        data = path.read_bytes()
        assert detect_format(data[:SIGNATURE_BYTES]) is image_format
        assert file_structure.read_structure(image_format, data).end <= len(data)
        assert read_rgb(path).shape == (6, 8, 3)
        monkeypatch.setattr(decoding, "detect_format", lambda _: pytest.fail("detected twice"))
        assert read_rgb("a", content=data, image_format=image_format).shape == (6, 8, 3)
        monkeypatch.undo()
    assert MEDIA_TYPES[image_format.suffixes[0]] == image_format.media_type


@pytest.mark.parametrize(
    "start", [b"", b"B", b"GIF89a", b"RIFF\0\0\0\0WAVE", b"II+\1", b"MM*\0", b" \x89PNG\r\n\x1a\n"]
)
def test_other_files_are_no_image(start):
    assert detect_format(start) is None


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_tiff_of_both_byte_orders_and_sizes(start):
    assert detect_format(start).name == "TIFF"


def test_any_length_of_a_webp_file_is_allowed():
    assert detect_format(b"RIFF\n\n\0\xffWEBPVP8 ").name == "WebP"
