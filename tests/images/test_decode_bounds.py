"""Files that would keep a decoder busy, or fill the memory, are refused before they are decoded."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinspect.errors import ImageError, TooManyPixelsError
from twinspect.images import image_size, read_rgb
from twinspect.images.decode_bounds import check_memory
from twinspect.images.decode_limits import DecodeLimits
from twinspect.images.file_structure import DamagedError, read_structure
from twinspect.images.formats import HEIC, JPEG, PNG, TIFF, WEBP, ImageFormat
from twinspect.images.reading import by_rows
from twinspect.images.stored_pixels import Header


def chain(directories: int, *, loop: bool, big: bool = False) -> bytes:
    """A TIFF of many small pictures, whose last directory leads nowhere or back to the first."""
    values = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 16), (277, 1), (278, 8), (279, 64)]
    size, first = (8 + 9 * 20 + 8, 80) if big else (2 + 9 * 12 + 4, 80)
    body = bytearray()
    for number in range(directories):
        last = number == directories - 1
        following = (first if loop else 0) if last else first + (number + 1) * size
        if big:
            entries = b"".join(struct.pack("<HHQQ", tag, 16, 1, value) for tag, value in values)
            body += struct.pack("<Q", 9) + entries + struct.pack("<Q", following)
        else:
            entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values)
            body += struct.pack("<H", 9) + entries + struct.pack("<I", following)
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHI", b"II", 42, first)
    return head.ljust(16, b"\0") + bytes(64) + body


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("loop", [False, True])
def test_a_long_or_endless_chain_of_directories_is_refused_at_once(
    tmp_path: Path, loop: bool, big: bool
) -> None:
    (tmp_path / "a.tif").write_bytes(chain(20_000, loop=loop, big=big))
    began = time.monotonic()
    with pytest.raises(ImageError, match="more than 64 directories"):
        read_rgb(tmp_path / "a.tif")
    assert time.monotonic() - began < 5


def test_one_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(chain(1, loop=False))
    assert read_rgb(tmp_path / "a.tif").shape == (8, 8, 3)


def scans(side: int, count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    buffer = io.BytesIO()
    Image.new("L", (side, side), 128).save(buffer, "JPEG", progressive=True, quality=30)
    content = buffer.getvalue()
    last = content.rfind(b"\xff\xda")
    return content[:-2] + content[last:-2] * (count - content.count(b"\xff\xda")) + b"\xff\xd9"


@pytest.mark.parametrize(("side", "count", "allowed"), [(64, 201, 200), (8000, 100, 78)])
def test_scans_are_bounded_by_their_number_and_by_what_each_takes(
    tmp_path: Path, side: int, count: int, allowed: int
) -> None:
    (tmp_path / "a.jpg").write_bytes(scans(side, count))
    with pytest.raises(ImageError, match=f"has {count} scans, allowed are {allowed} at its size") as caught:
        read_rgb(tmp_path / "a.jpg")
    more = "save it anew, or raise TWINSPECT_DECODE_SECONDS in the environment (now 20)"
    assert str(caught.value).endswith(more if count <= 200 else "save it anew")


def test_usual_progressive_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(scans(300, 12))
    assert read_rgb(tmp_path / "a.jpg").shape == (300, 300, 3)


def test_what_takes_more_memory_than_allowed_is_refused_by_its_header() -> None:
    check_memory(Header(PNG, (14_142, 14_142)))
    check_memory(Header(PNG, (14_142, 14_142), channels=4))
    check_memory(Header(TIFF, (8000, 8000), bits=64, channels=4))
    with pytest.raises(TooManyPixelsError, match="GiB to decode, allowed are 4") as caught:
        check_memory(Header(TIFF, (9000, 9000), bits=64, channels=4))
    assert "raise TWINSPECT_DECODE_GIB in the environment (now 4)" in str(caught.value)
    assert DecodeLimits().memory == 4 * 2**30


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("P", 1), ("RGBA", 4)])
def test_the_channels_that_are_said_are_those_of_the_file(
    mode: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINSPECT_DECODE_GIB", "0.25")
    monkeypatch.setattr("twinspect.images.decode_bounds.available_memory", lambda: 2**40)
    buffer = io.BytesIO()
    image = Image.new(mode, (4000, 4000))
    if mode == "P":
        image.putpalette(bytes(range(256)) * 3)  # fewer colours would be saved with fewer bits
    image.save(buffer, "PNG")
    with pytest.raises(TooManyPixelsError) as caught:
        read_rgb("a.png", content=buffer.getvalue())
    assert str(caught.value) == (
        f"a.png: too large: 4000 x 4000 pixels of {channels} x 8 bits take 0.3 GiB to decode, "
        "allowed are 0.25; split it into several files, or raise TWINSPECT_DECODE_GIB in the environment "
        "(now 0.25)"
    )


def test_what_the_memory_that_is_free_refuses_no_variable_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinspect.images.decode_bounds.available_memory", lambda: 2**28)
    with pytest.raises(TooManyPixelsError, match=r"0.2 are free; split it into several files$"):
        check_memory(Header(JPEG, (5000, 5000), channels=3))


def test_rows_converted_one_after_the_other_are_the_same() -> None:
    values = np.random.default_rng(0).integers(0, 256, (3000, 2000, 4), dtype=np.uint8)
    np.testing.assert_array_equal(by_rows(lambda rows: rows[..., :3] // 2, values), values[..., :3] // 2)


@pytest.mark.parametrize("start", [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\xff\xd8\xff\xc2"])
def test_a_file_larger_than_the_memory_allowed_is_not_read(tmp_path: Path, start: bytes) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.write(start)
        file.truncate(2**33)
    for read in (read_rgb, image_size):
        with pytest.raises(ImageError, match="has 8,589,934,592 bytes; allowed are at most 4,294,967,296"):
            read(tmp_path / "a")


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*each) for each in chunks)


PIXELS = (b"IDAT", zlib.compress(bytes(65 * 64)))
EMPTY = png_of((b"teXt", b""))[33:] * 300_000
MANY = {
    "chunks before the pixels": (png_of() + EMPTY + png_of(PIXELS, (b"IEND", b""))[33:], "100,000 chunks"),
    "chunks behind them": (png_of(PIXELS) + EMPTY, "100,000 chunks"),
    "a hole behind them": (png_of(PIXELS) + bytes(10_000_000), "100,000 chunks"),
    "a chunk of text": (png_of((b"teXt", b"")) + b"\x7f\xff\xff\xf0teXt", "bytes that are not pixels"),
    "segments": (b"\xff\xd8" + b"\xff\xe5\0\2" * 1_000_000, "10,000 segments"),
    "bytes that are no marker": (b"\xff\xd8\xff" + bytes(10_000_000), "10,000 segments"),
    "bytes before a marker": (b"\xff\xd8" + b"\xff" * 10_000_000, "10,000 segments"),
}


@pytest.mark.parametrize("kind", MANY)
def test_a_file_of_very_many_segments_is_refused_at_once(kind: str) -> None:
    content, said = MANY[kind]
    for read in (lambda: read_rgb("a", content=content), lambda: image_size(Path("a"), content=content)):
        began = time.process_time()
        with pytest.raises(ImageError, match=said):
            read()
        assert time.process_time() - began < 2


def test_what_follows_a_png_is_not_walked_through(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.write(png_of(PIXELS, (b"IEND", b"")))
        file.truncate(2**30)
    began = time.process_time()
    assert read_rgb(tmp_path / "a.png").shape == (64, 64, 3)
    assert time.process_time() - began < 1


def test_usual_numbers_of_segments_are_read() -> None:
    pixels = zlib.compress(bytes(65 * 64))
    chunks = [(b"IDAT", pixels[place : place + 1]) for place in range(len(pixels))]
    many = png_of(*[(b"tEXt", b"a\0b")] * 5000, *chunks, (b"IEND", b""))
    assert read_rgb("a", content=many).shape == (64, 64, 3)
    picture = scans(64, 2)
    jpeg = picture[:2] + b"\xff\xe5\0\4ab" * 5000 + picture[2:]
    assert read_rgb("a", content=jpeg).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("image_format", "content"),
    [
        (PNG, png_of(PIXELS) + EMPTY),
        (JPEG, b"\xff\xd8" + b"\xff\xe5\0\2" * 1_000_000 + b"\xff\xd9"),
        (JPEG, b"\xff\xd8\xff\xd9" * 1_000_000),
        (WEBP, b"RIFF" + struct.pack("<I", 8_000_004) + b"WEBP" + b"EXIF\0\0\0\0" * 1_000_000),
        (HEIC, struct.pack(">I4s", 8, b"free") * 1_000_000),
    ],
)
def test_the_walk_through_a_file_ends_soon(image_format: ImageFormat, content: bytes) -> None:
    began = time.process_time()
    with pytest.raises(DamagedError, match=r"consists of more than .* parts"):
        read_structure(image_format, content)
    assert time.process_time() - began < 1
