"""Untrusted bytes: what is an image is taken, everything else is refused by name."""

from __future__ import annotations

import csv
import io
import os
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

import dicom_files
import heic_files
from drawn_parts import stripes
from serving import good, site
from twinspect.errors import is_installed
from twinspect.images.formats import MEDIA_TYPES, detect_format
from twinspect.images.reading import read_rgb
from twinspect.serve.api_errors import STATUS, ApiError
from twinspect.serve.uploads.checks import Limits, Upload, check, display_name
from twinspect.utils.spelling import unspell

if TYPE_CHECKING:
    from pathlib import Path

    from serving import Site

PIXELS = stripes(0)


def encoded(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("evil.txt", "hello")
    return buffer.getvalue()


def refused(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(ApiError) as raised:
        check(Upload("a.png", data, len(data)), limits or Limits())
    assert raised.value.status == STATUS[raised.value.code]
    assert "allowed" in raised.value.message or "must" in raised.value.message
    return raised.value.code


def further_formats() -> dict[str, bytes]:
    """Give files of those formats of the extra ``formats`` whose packages are here."""
    files = {"avif": encoded("AVIF")} if features.check("avif") else {}
    if is_installed("pi_heif"):
        files["heic"] = heic_files.HEIC
    if is_installed("pydicom"):
        files["dicom"] = dicom_files.encoded(heic_files.slope())
    return files


WHOLE = {
    "png": encoded("PNG"),
    "jpeg": encoded("JPEG"),
    "progressive": encoded("JPEG", progressive=True),
    "bmp": encoded("BMP"),
    "webp": encoded("WEBP", lossless=True),
    "lossy webp": encoded("WEBP"),
    "tiff": encoded("TIFF"),
    "tiff lzw": encoded("TIFF", compression="tiff_lzw"),
    "big tiff": encoded("TIFF", big_tiff=True),
    **further_formats(),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_images_are_decoded_as_their_files_are(name: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(WHOLE[name])
    image = check(Upload("a.gif", WHOLE[name], len(WHOLE[name])), Limits())
    np.testing.assert_array_equal(image.pixels, read_rgb(path))
    assert image.suffix in MEDIA_TYPES
    assert image.suffix in detect_format(WHOLE[name]).suffixes


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(
    "tail",
    [archive(), b"%PDF-1.7 and so on", b"<html><script>alert(1)</script>", b"#!/bin/sh\necho", b"x"],
    ids=["zip", "pdf", "html", "script", "byte"],
)
def test_a_second_file_behind_the_picture_is_refused(name: str, tail: bytes) -> None:
    assert refused(WHOLE[name] + tail) == "image_polyglot"


@pytest.mark.parametrize("name", WHOLE)
def test_padding_with_zeros_is_harmless(name: str) -> None:
    data = WHOLE[name] + bytes(512)
    check(Upload("a", data, len(data)), Limits())


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_was_cut_off_is_damaged(name: str) -> None:
    assert refused(WHOLE[name][: len(WHOLE[name]) * 2 // 3]) == "image_damaged"


def commented_png(text: bytes, name: bytes = b"tEXt") -> bytes:
    chunk = struct.pack(">I", len(text)) + name + text + struct.pack(">I", zlib.crc32(name + text))
    data = WHOLE["png"]
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize(
    "smuggled",
    [
        b"Comment\0<script>alert(1)</script>",
        b"Comment\0%PDF-1.4",
        b"Comment\0" + archive(),
        b"Comment\0<?php system($_GET[0]);",
        b"Comment\0<HTML><body>",
    ],
    ids=["script", "pdf", "zip", "php", "html"],
)
def test_a_second_file_inside_is_refused(smuggled: bytes) -> None:
    assert refused(commented_png(smuggled)) == "image_polyglot"
    assert refused(encoded("JPEG", comment=smuggled)) == "image_polyglot"
    assert refused(encoded("TIFF", tiffinfo={270: smuggled.decode("latin-1")})) == "image_polyglot"
    assert refused(encoded("WEBP", xmp=smuggled)) == "image_polyglot"


def test_a_second_file_between_header_and_pixels_is_refused() -> None:
    data = bytearray(WHOLE["bmp"])
    page = b"<script>alert(1)</script>".ljust(64, b" ")
    start = struct.unpack_from("<I", data, 10)[0]
    struct.pack_into("<I", data, 10, start + len(page))
    assert refused(bytes(data[:start]) + page + bytes(data[start:])) == "image_polyglot"


def test_a_zip_in_the_pixels_is_refused() -> None:
    data = archive()
    pixels = np.zeros((8, 64, 3), np.uint8)
    pixels.reshape(-1)[: len(data)] = np.frombuffer(data, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF")
    assert refused(buffer.getvalue()) == "image_polyglot"


def test_ordinary_metadata_is_welcome() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "<?xpacket begin=''?><x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>")
    exif = Image.Exif()
    exif[0x010E] = "part 7, line 3"
    data = encoded("PNG", pnginfo=info, exif=exif)
    check(Upload("a", data, len(data)), Limits())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image_empty"),
        (b"GIF89a" + bytes(64), "image_unknown_type"),
        (b"%PDF-1.7", "image_unknown_type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_unknown_type"),
        (archive(), "image_unknown_type"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5), "image_damaged"),
        (b"\xff\xd8\xff\xe0\xff\xff", "image_damaged"),
        (b"BM" + bytes(60), "image_damaged"),
        (b"II*\0\xff\xff\xff\xff", "image_damaged"),
        (b"RIFF\xff\xff\xff\xffWEBPVP8 ", "image_damaged"),
    ],
)
def test_what_is_no_image_is_refused_by_name(data: bytes, code: str) -> None:
    assert refused(data) == code


def test_a_tiff_that_points_at_itself_ends() -> None:
    loop = b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    assert refused(loop) in ("image_damaged", "image_too_small")


def test_animations_and_stacks_are_refused() -> None:
    frames = [Image.fromarray(stripes(seed)) for seed in (1, 2)]
    for kind in ("PNG", "WEBP", "TIFF"):
        assert refused(encoded(kind, save_all=True, append_images=frames)) == "image_several_pictures"


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinspect.images.decoding._decode", lambda *_, **__: pytest.fail("decoded"))
    rows = zlib.compress(bytes(1 + 3 * 40_000) * 64)
    data = bytearray(WHOLE["png"])
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    data[8:33] = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    bomb = bytes(data[:33]) + struct.pack(">I", len(rows)) + b"IDAT" + rows
    bomb += struct.pack(">I", zlib.crc32(b"IDAT" + rows)) + WHOLE["png"][-12:]
    assert len(bomb) < 20_000
    assert refused(bomb) == "image_too_many_pixels"
    assert refused(WHOLE["png"], Limits(pixels=48 * 48 - 1)) == "image_too_many_pixels"


def test_sizes_are_limited() -> None:
    data = WHOLE["png"]
    assert refused(data, Limits(image_bytes=len(data) - 1)) == "image_too_large"
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[:1]).save(buffer, "PNG")
    assert refused(buffer.getvalue()) == "image_too_small"


def test_names_are_text_and_never_paths() -> None:
    assert display_name("../../etc/passwd") == "passwd"
    assert display_name("C:\\parts\\7.png") == "7.png"
    assert display_name("a\0b\r\n\u202ec.png") == r"a\u0000b\u000d\u000a\u202ec.png"
    assert display_name(None) == display_name("///") == display_name("/ ") == "image"
    assert display_name("\t") == r"\u0009"
    assert display_name("x" * 199 + "\n\n") == "x" * 199 + r"\u000a"


ODD = [
    b"tab\tx.png",
    b"\xe4.png",
    b"\xf6.png",
    b"esc\x1b[2J.png",
    " ü\u202e 漢.png ".encode(),
    b"=1+1.png",
    b"%41.png",
]


def test_different_names_stay_different_however_they_come_and_wherever_they_are_told(
    bundle: Path, tmp_path: Path
) -> None:
    with site(bundle, tmp_path) as server:
        raw = [(quote(name), name) for name in ODD]
        told = [
            server.client.post(
                f"/v1/score?name={name}", content=good(1), headers={"Content-Type": "image/png"}
            )
            for name, _ in raw
        ] + [posted_as(server, name, good(1)) for name in ODD]
        names = [answer.json()["inspections"][0]["name"] for answer in told]
        refused = posted_as(server, ODD[1], b"no image").json()["inspections"][0]["name"]
        rows = list(csv.DictReader(io.StringIO(server.client.get("/v1/inspections?format=csv").text)))
    assert [os.fsencode(unspell(name)) for name in names] == ODD + ODD
    assert all(name.isprintable() for name in names)
    assert refused == r"\udce4.png"
    assert [row["name"] for row in reversed(rows)] == [
        f"'{name}" if name[0] == "=" else name for name in names
    ]


def posted_as(server: Site, name: bytes, data: bytes) -> Any:
    """Upload a file in a form, its name as these bytes."""
    head = b'--b\r\nContent-Disposition: form-data; name="images"; filename="' + name + b'"\r\n\r\n'
    body = head + data + b"\r\n--b--\r\n"
    return server.client.post(
        "/v1/score", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
