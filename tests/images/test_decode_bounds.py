"""Files that would keep a decoder busy, or fill the memory, are refused before they are decoded."""

from __future__ import annotations

import io
import struct
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from twinspect.errors import ImageError, TooManyPixelsError
from twinspect.images import image_size, read_rgb
from twinspect.images.decode_bounds import check_memory
from twinspect.images.decode_limits import DecodeLimits
from twinspect.images.formats import PNG, TIFF
from twinspect.images.reading import by_rows
from twinspect.images.stored_pixels import Header

if TYPE_CHECKING:
    from pathlib import Path


def chain(directories: int, *, loop: bool, big: bool = False) -> bytes:
    """A TIFF of many small pictures, whose last directory leads nowhere or back to the first."""
    values = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 16), (277, 1), (278, 8), (279, 64)]
    size, first = (8 + 9 * 20 + 8, 80) if big else (2 + 9 * 12 + 4, 80)
    body = b""
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
    with pytest.raises(ImageError, match=f"has {count} scans, allowed are {allowed} at its size"):
        read_rgb(tmp_path / "a.jpg")


def test_usual_progressive_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(scans(300, 12))
    assert read_rgb(tmp_path / "a.jpg").shape == (300, 300, 3)


def test_what_takes_more_memory_than_allowed_is_refused_by_its_header() -> None:
    check_memory(Header(PNG, (14_142, 14_142)))
    check_memory(Header(PNG, (14_142, 14_142), channels=4))
    check_memory(Header(TIFF, (8000, 8000), bits=64, channels=4))
    with pytest.raises(TooManyPixelsError, match="GiB to decode, allowed are 4"):
        check_memory(Header(TIFF, (9000, 9000), bits=64, channels=4))
    assert DecodeLimits().memory == 4 * 2**30


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
