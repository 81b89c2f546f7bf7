"""HEIC and AVIF: read as any photograph, walked by their structure, and by name where what reads them is missing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, features

import heic_files
from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError, is_installed
from twinspect.images.decoding import decode
from twinspect.images.file_structure import DamagedError, foreign_content, read_structure
from twinspect.images.formats import AVIF, HEIC
from twinspect.images.reading import image_size, read_rgb

heic = pytest.mark.skipif(not is_installed("pi_heif"), reason="pi-heif is not installed (extra formats)")
avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF (extra formats)")


@heic
@pytest.mark.parametrize("data", [heic_files.HEIC, heic_files.HEIC_TEN_BITS])
def test_heic_is_read(data):
    found = read_rgb("a.heic", content=data)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - heic_files.slope()).mean() < 3
    assert image_size("a.heic", content=data) == (48, 64)


@heic
def test_heic_with_alpha_is_laid_on_black():
    found = read_rgb("a.heic", content=heic_files.HEIC_ALPHA)
    assert np.abs(found[:, :28].astype(int) - heic_files.slope()[:, :28]).mean() < 3
    assert found[:, 36:].max() == 0


@heic
def test_several_pictures_in_a_heic_are_refused():
    with pytest.raises(SeveralPicturesError, match="this HEIC holds several pictures"):
        read_rgb("a.heic", content=heic_files.HEIC_OF_TWO)


@heic
@pytest.mark.parametrize("length", [40, 300, len(heic_files.HEIC) - 20])
def test_a_heic_that_is_cut_off(length):
    with pytest.raises(ImageError, match=r"^a\.heic: cannot be read as HEIC: "):
        read_rgb("a.heic", content=heic_files.HEIC[:length])
    with pytest.raises(DamagedError):
        read_structure(HEIC, heic_files.HEIC[:length])


@heic
def test_a_limit_of_pixels_holds():
    with pytest.raises(TooManyPixelsError):
        read_rgb("a.heic", content=heic_files.HEIC, max_pixels=64 * 48 - 1)


def slope_as_avif(path, **options):
    Image.fromarray(heic_files.slope()).save(path, **options)
    return path


@avif
def test_avif_is_read(tmp_path):
    path = slope_as_avif(tmp_path / "a.avif", quality=90)
    assert np.abs(read_rgb(path).astype(int) - heic_files.slope()).mean() < 3
    assert image_size(path) == (48, 64)


@avif
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_avif_is_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = slope_as_avif(tmp_path / "a.avif", quality=90, exif=exif)
    turns = {3: 2, 6: 3, 8: 1}[orientation]  # quarter turns, counter-clockwise
    assert np.abs(read_rgb(path).astype(int) - np.rot90(heic_files.slope(), turns)).mean() < 3


@avif
def test_an_avif_sequence_is_refused(tmp_path):
    other = Image.fromarray(heic_files.slope()[::-1])
    path = slope_as_avif(tmp_path / "a.avif", save_all=True, append_images=[other])
    with pytest.raises(SeveralPicturesError):
        read_rgb(path)
    assert read_structure(AVIF, path.read_bytes()).animated


@avif
def test_a_limit_of_pixels_holds_for_avif(tmp_path):
    with pytest.raises(TooManyPixelsError):
        read_rgb(slope_as_avif(tmp_path / "a.avif"), max_pixels=64 * 48 - 1)


def test_what_is_hidden_in_the_boxes_is_found():
    structure = read_structure(HEIC, heic_files.HEIC)
    assert structure.end == len(heic_files.HEIC)
    assert not structure.animated
    assert foreign_content(heic_files.HEIC, structure) is None
    behind = heic_files.HEIC + b"PK\3\4 and more"
    assert "bytes follow the picture" in (foreign_content(behind, read_structure(HEIC, behind)) or "")
    body = b"%PDF-1.4 and more"
    box = (8 + len(body)).to_bytes(4, "big") + b"free" + body
    inside = heic_files.HEIC + box
    assert "%pdf-" in (foreign_content(inside, read_structure(HEIC, inside)) or "")
    with pytest.raises(DamagedError):
        read_structure(HEIC, heic_files.HEIC + b"\0\0\0\2free")


@pytest.mark.parametrize(("package", "name"), [("pi_heif", "HEIC"), ("pydicom", "DICOM")])
def test_without_what_reads_them_the_message_names_the_extra(tmp_path, package, name):
    syntax = b"\2\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    data = {"HEIC": heic_files.HEIC, "DICOM": bytes(128) + b"DICM" + syntax}[name]
    path = tmp_path / "a"
    path.write_bytes(data)
    code = f"import sys; sys.modules[{package!r}] = None; from twinspect.images.decoding import decode\n"
    code += "try: decode(sys.argv[1])\nexcept Exception as error: print(type(error).__name__, error)"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        f"ImageError {path}: cannot be read as {name}: this needs {package!r}, which is not installed; "
        "type: pip install 'twinspect[formats]'; allowed are whole "
    )


def test_a_pillow_without_avif_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(
        ImageError, match=r"this needs Pillow 11\.3 or later; type: pip install 'twinspect\[formats\]'"
    ):
        decode("a.avif", content=b"\0\0\0\x1cftypavif\0\0\0\0avifmif1")
