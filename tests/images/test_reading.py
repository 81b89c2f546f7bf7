"""Reading pixels: every kind of file, exact values, and the message of every refusal."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile, ImageOps

from twinspect.errors import ConfigError, DataError, ImageError
from twinspect.images import decoding
from twinspect.images.formats import FORMAT_NAMES, IMAGE_SUFFIXES
from twinspect.images.reading import MAX_PIXELS, image_size, read_mask, read_rgb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

WORDS = np.array([[0, 1, 127, 128, 129, 255], [256, 257, 386, 32767, 32768, 65535]], dtype=np.uint16)
EXPECTED_WORDS = np.array([[0, 0, 0, 0, 1, 1], [1, 1, 2, 127, 128, 255]], dtype=np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """Write a PNG by hand, so that the reader is not checked against its own library."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = b"".join(extra) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def png16(values: NDArray[np.uint16], *extra: bytes) -> bytes:
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows, *extra)


def exif(orientation: int) -> bytes:
    entry = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)


def colours(height: int = 5, width: int = 7, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def words(height: int = 9, width: int = 7, channels: int = 3) -> NDArray[np.uint16]:
    shape = (height, width, channels)
    return np.random.default_rng(1).integers(0, 65536, shape, dtype=np.uint16)


def rounded(values: NDArray[Any], full: int = 65535) -> NDArray[np.uint8]:
    return np.floor(values.astype(np.float64) * 255 / full + 0.5).astype(np.uint8)


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def message(path: Path, **options: Any) -> str:
    with pytest.raises(ImageError) as error:
        read_rgb(path, **options)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


# ------------------------------------------------------------------------------------------------- 8 bits


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.tiff", "a.bmp", "a.PNG"])
def test_lossless_rgb_is_read_as_stored(tmp_path, name):
    pixels = colours()
    found = read_rgb(save(tmp_path / name, Image.fromarray(pixels)))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels)


def test_lossless_webp_is_read_as_stored(tmp_path):
    pixels = colours()
    path = save(tmp_path / "a.webp", Image.fromarray(pixels), lossless=True)
    np.testing.assert_array_equal(read_rgb(path), pixels)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_lossy_files_are_close(tmp_path, name):
    y, x = np.mgrid[:64, :48]
    pixels = np.stack([2 * x, y, 3 * y], axis=-1).astype(np.uint8)
    found = read_rgb(save(tmp_path / name, Image.fromarray(pixels), quality=95))
    assert np.abs(found.astype(int) - pixels).mean() < 3


def test_result_is_writable_and_contiguous(tmp_path):
    for name, options in {"a.png": {}, "b.jpg": {"exif": b"Exif\0\0" + exif(6)}}.items():
        found = read_rgb(save(tmp_path / name, Image.fromarray(colours()), **options))
        assert found.flags.writeable
        assert found.flags.c_contiguous


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_grey_gives_three_equal_channels(tmp_path, name):
    grey = colours()[..., 0]
    found = read_rgb(save(tmp_path / name, Image.fromarray(grey)))
    np.testing.assert_array_equal(found, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_one_bit_is_black_and_white(tmp_path, name):
    bits = colours()[..., 0] > 128
    found = read_rgb(save(tmp_path / name, Image.fromarray(bits)))
    np.testing.assert_array_equal(found[..., 0], np.where(bits, 255, 0))


def test_few_bits_use_the_full_range(tmp_path):
    # Four pixels of 2 bits: 0 1 2 3.
    path = write(tmp_path / "a.png", png(4, 1, 2, 0, b"\0" + bytes([0b00011011])))
    assert read_rgb(path)[0, :, 0].tolist() == [0, 85, 170, 255]


def test_opaque_alpha_is_dropped(tmp_path):
    pixels = colours(channels=4)
    pixels[..., 3] = 255
    np.testing.assert_array_equal(
        read_rgb(save(tmp_path / "a.png", Image.fromarray(pixels))), pixels[..., :3]
    )


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_partial_alpha_is_laid_on_black(tmp_path, name):
    pixels = colours(channels=4)
    pixels[0, 0] = (200, 100, 50, 0)
    found = read_rgb(save(tmp_path / name, Image.fromarray(pixels)))
    expected = np.floor(pixels[..., :3] * (pixels[..., 3:] / 255) + 0.5)
    np.testing.assert_array_equal(found, expected.astype(np.uint8))
    assert found[0, 0].tolist() == [0, 0, 0]


def test_grey_with_alpha(tmp_path):
    pixels = np.array([[[200, 255], [200, 0], [100, 128]]], dtype=np.uint8)
    found = read_rgb(save(tmp_path / "a.png", Image.fromarray(pixels)))
    assert found[0].tolist() == [[200] * 3, [0] * 3, [50] * 3]


def unfilled_alpha(channels: int) -> NDArray[np.uint8]:
    pixels = colours(channels=channels)
    pixels[..., -1] = 0
    return pixels


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.png", {}), ("a.tif", {}), ("a.webp", {"lossless": True, "exact": True})],
)
def test_alpha_that_is_zero_everywhere_says_nothing(tmp_path, name, options):
    pixels = unfilled_alpha(4)
    found = read_rgb(save(tmp_path / name, Image.fromarray(pixels), **options))
    np.testing.assert_array_equal(found, pixels[..., :3])


@pytest.mark.parametrize("compression", [0, 3])
def test_bitmap_of_32_bits_whose_fourth_byte_is_zero(tmp_path, compression):
    pixels = unfilled_alpha(4)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) if compression else b""
    height, width, _ = pixels.shape
    info = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 32, compression, 0, 0, 0, 0, 0) + masks
    start = struct.pack("<2sIII", b"BM", 14 + len(info) + pixels.size, 0, 14 + len(info))
    path = write(tmp_path / "a.bmp", start + info + pixels[..., [2, 1, 0, 3]].tobytes())
    np.testing.assert_array_equal(read_rgb(path), pixels[..., :3])


@pytest.mark.parametrize("kind", ["unspecified", "assocalpha", "unassalpha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [2, 4])
def test_tiff_whose_extra_channel_is_zero(tmp_path, kind, dtype, channels):
    pixels = unfilled_alpha(channels)
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    values = (pixels / 255 * full).round(6 if full == 1 else 0).astype(dtype)
    photometric = "rgb" if channels == 4 else "minisblack"
    options = {"photometric": photometric, "planarconfig": "contig", "extrasamples": [kind]}
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    expected = np.broadcast_to(pixels[..., :-1], (*pixels.shape[:2], 3))
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif"), expected)


@pytest.mark.parametrize("channels", [2, 4])
def test_colours_multiplied_by_their_alpha_are_left_as_they_are(tmp_path, channels):
    pixels = colours(channels=channels)
    pixels[..., :-1] = np.minimum(pixels[..., :-1], pixels[..., -1:])
    photometric = "rgb" if channels == 4 else "minisblack"
    options = {"photometric": photometric, "planarconfig": "contig", "extrasamples": ["assocalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    expected = np.broadcast_to(pixels[..., :-1], (*pixels.shape[:2], 3))
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif"), expected)


@pytest.mark.parametrize("channels", [2, 4])
def test_png_whose_alpha_is_zero_everywhere(tmp_path, channels):
    pixels = unfilled_alpha(channels)
    expected = np.broadcast_to(pixels[..., :-1], (*pixels.shape[:2], 3))
    np.testing.assert_array_equal(read_rgb(save(tmp_path / "a.png", Image.fromarray(pixels))), expected)
    deep = write(tmp_path / "deep.png", png16(pixels.astype(np.uint16) * 257))
    np.testing.assert_array_equal(read_rgb(deep), expected)


def test_palette_that_is_transparent_throughout(tmp_path):
    found = read_rgb(save(tmp_path / "a.png", palette_image(), transparency=bytes(3)))
    assert found[0].tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]


def palette_image() -> Image.Image:
    image = Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], dtype=np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    return image


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_palette_shows_its_colours(tmp_path, name):
    found = read_rgb(save(tmp_path / name, palette_image()))
    assert found[0].tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 255])])
def test_palette_with_transparency_is_laid_on_black(tmp_path, transparency):
    found = read_rgb(save(tmp_path / "a.png", palette_image(), transparency=transparency))
    assert found[0].tolist() == [[10, 20, 30], [0, 0, 0], [70, 80, 90]]


def test_transparent_colour_of_an_rgb_png(tmp_path):
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8)
    found = read_rgb(save(tmp_path / "a.png", Image.fromarray(pixels), transparency=(4, 5, 6)))
    assert found[0].tolist() == [[1, 2, 3], [0, 0, 0]]


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_becomes_rgb(tmp_path, name):
    ink = np.zeros((16, 16, 4), dtype=np.uint8)
    ink[..., 0] = 255  # cyan
    found = read_rgb(save(tmp_path / name, Image.fromarray(ink, mode="CMYK")))
    assert np.abs(found[8, 8].astype(int) - [0, 255, 255]).max() <= 3


def test_contents_decide_the_format_not_the_name(tmp_path):
    pixels = colours()
    path = save(tmp_path / "a.jpg", Image.fromarray(pixels), format="PNG")
    np.testing.assert_array_equal(read_rgb(path), pixels)


def test_one_pixel_is_an_image(tmp_path):
    assert read_rgb(save(tmp_path / "a.png", Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_compressed_tiff(tmp_path, compression):
    path = save(tmp_path / "a.tif", Image.new("RGB", (16, 16), (10, 200, 30)), compression=compression)
    assert np.abs(read_rgb(path).astype(int) - [10, 200, 30]).max() <= 2


def test_planar_and_white_is_zero_tiffs(tmp_path):
    pixels = colours(16, 16)
    tifffile.imwrite(
        tmp_path / "p.tif", np.moveaxis(pixels, -1, 0), planarconfig="separate", photometric="rgb"
    )
    np.testing.assert_array_equal(read_rgb(tmp_path / "p.tif"), pixels)
    tifffile.imwrite(tmp_path / "w.tif", pixels[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_rgb(tmp_path / "w.tif")[..., 0], 255 - pixels[..., 0])


# ------------------------------------------------------------------------------------------------ 16 bits


def test_sixteen_bit_grey_png_is_scaled_by_257_and_rounded(tmp_path):
    found = read_rgb(write(tmp_path / "a.png", png16(WORDS[..., None])))
    np.testing.assert_array_equal(found, np.stack([EXPECTED_WORDS] * 3, axis=-1))


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_grey_tiff(tmp_path, order):
    tifffile.imwrite(tmp_path / "a.tif", WORDS, byteorder=order)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif")[..., 0], EXPECTED_WORDS)
    tifffile.imwrite(tmp_path / "w.tif", WORDS, byteorder=order, photometric="miniswhite")
    np.testing.assert_array_equal(read_rgb(tmp_path / "w.tif")[..., 0], rounded(65535 - WORDS))


def test_sixteen_bit_rgb_png_keeps_its_low_byte(tmp_path):
    values = words()
    path = write(tmp_path / "a.png", png16(values))
    np.testing.assert_array_equal(read_rgb(path), rounded(values))
    np.testing.assert_array_equal(decoding.decode(path).values, values)


def adam7(values: NDArray[np.uint16]) -> bytes:
    """Lay rows out in the seven passes of an interlaced PNG."""
    starts = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    rows = b""
    for y, x, down, right in starts:
        part = values[y::down, x::right]
        rows += b"".join(b"\0" + row.astype(">u2").tobytes() for row in part if part.size)
    return rows


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_interlaced_png(tmp_path, channels):
    values = words(channels=channels)
    header = struct.pack(">IIBBBBB", 7, 9, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 1)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(adam7(values))) + chunk(b"IEND", b"")
    path = write(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + body)
    np.testing.assert_array_equal(decoding.decode(path).values, values)


def test_sixteen_bit_png_with_row_filters(tmp_path):
    values = words()
    raw = np.frombuffer(values.astype(">u2").tobytes(), dtype=np.uint8).reshape(9, -1)
    above = np.vstack([np.zeros_like(raw[:1]), raw[:-1]])
    rows = b"".join(b"\2" + row.tobytes() for row in raw - above)  # filter 2: difference to the row above
    path = write(tmp_path / "a.png", png(7, 9, 16, 2, rows))
    np.testing.assert_array_equal(decoding.decode(path).values, values)


@pytest.mark.parametrize("channels", [2, 4])
def test_sixteen_bit_png_with_alpha(tmp_path, channels):
    values = words(channels=channels)
    path = write(tmp_path / "a.png", png16(values))
    np.testing.assert_array_equal(decoding.decode(path).values, values)
    weighted = np.floor(values[..., :-1].astype(np.float64) * values[..., -1:] / 65535 + 0.5)
    expected = rounded(weighted) * np.ones(3, dtype=np.uint8)
    np.testing.assert_array_equal(read_rgb(path), expected)


def test_sixteen_bit_png_with_a_transparent_colour(tmp_path):
    values = np.array([[[256, 1, 2], [256, 1, 3]]], dtype=np.uint16)
    path = write(tmp_path / "a.png", png16(values, chunk(b"tRNS", struct.pack(">HHH", 256, 1, 3))))
    assert read_rgb(path)[0].tolist() == [[1, 0, 0], [0, 0, 0]]
    path = write(tmp_path / "g.png", png16(WORDS[..., None], chunk(b"tRNS", struct.pack(">H", 32768))))
    assert read_rgb(path)[1, :, 0].tolist() == [1, 1, 2, 127, 0, 255]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", ["chunky", "planar", "tiled"])
def test_sixteen_bit_rgb_tiff_keeps_its_low_byte(tmp_path, order, compression, layout):
    values = words(32, 48)
    options = {"chunky": {}, "planar": {"planarconfig": "separate"}, "tiled": {"tile": (16, 16)}}[layout]
    stored = np.moveaxis(values, -1, 0) if layout == "planar" else values
    kind = {"photometric": "rgb", "byteorder": order, "compression": compression}
    tifffile.imwrite(tmp_path / "a.tif", stored, **kind, **options)
    np.testing.assert_array_equal(decoding.decode(tmp_path / "a.tif").values, values)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif"), rounded(values))


def lzw(data: bytes) -> bytes:
    """Compress as TIFF does, the plain way: codes of nine bits, the table cleared before it needs ten."""
    codes: list[int] = []
    for start in range(0, len(data), 200):
        codes += [256, *data[start : start + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def test_sixteen_bit_rgb_tiff_with_lzw(tmp_path):
    values = words(5, 6)
    strip = lzw(values.astype("<u2").tobytes())
    tags = [
        (256, 3, 1, 6), (257, 3, 1, 5), (258, 3, 3, 8), (259, 3, 1, 5), (262, 3, 1, 2), (273, 4, 1, 14),
        (277, 3, 1, 3), (278, 3, 1, 5), (279, 4, 1, len(strip)),
    ]  # fmt: skip
    strip += b"\0" * (len(strip) % 2)
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + b"\0" * 4
    start = struct.pack("<2sHI", b"II", 42, 14 + len(strip)) + struct.pack("<HHH", 16, 16, 16)
    path = write(tmp_path / "a.tif", start + strip + ifd)
    np.testing.assert_array_equal(decoding.decode(path).values, values)


def planar_lzw_tiff(path: Path, values: NDArray[np.uint16]) -> Path:
    """Write what Pillow would lose bits of and tifffile alone cannot decompress, without imagecodecs."""
    height, width, channels = values.shape
    strips = [lzw(values[..., channel].astype("<u2").tobytes()) for channel in range(channels)]
    bits, starts, lengths = 8, 8 + 6, 8 + 6 + 12
    offset = lengths + 12
    offsets = [offset + sum(map(len, strips[:number])) for number in range(channels)]
    data = struct.pack("<HHH", 16, 16, 16) + struct.pack("<III", *offsets)
    data += struct.pack("<III", *map(len, strips)) + b"".join(strips)
    data += b"\0" * (len(data) % 2)
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits), (259, 3, 1, 5), (262, 3, 1, 2),
        (273, 4, 3, starts), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 3, lengths), (284, 3, 1, 2),
    ]  # fmt: skip
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + b"\0" * 4
    return write(path, struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + ifd)


def test_a_compression_of_imagecodecs(tmp_path):
    pytest.importorskip("imagecodecs")
    values = words(5, 6)
    path = planar_lzw_tiff(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(decoding.decode(path).values, values)


@pytest.mark.parametrize(("compression", "number"), [("jpeg2000", 34712), ("jpegxl", 50002)])
@pytest.mark.parametrize("planar", [False, True])
def test_images_inside_a_tiff_are_not_decoded(tmp_path, compression, number, planar):
    # They say their size themselves, so that a small header could hide a huge image.
    pytest.importorskip("imagecodecs")
    values, options = words(32, 48), {"photometric": "rgb", "compression": compression}
    if planar:
        values, options["planarconfig"] = np.moveaxis(values, -1, 0), "separate"
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    assert message(tmp_path / "a.tif") == (
        f"its TIFF compression, number {number}, is not supported; save it with LZW"
    )


def test_without_imagecodecs_the_message_names_the_extra(tmp_path):
    path = planar_lzw_tiff(tmp_path / "a.tif", words(5, 6))
    code = "import sys; sys.modules['imagecodecs'] = None; from twinspect.images.decoding import decode\n"
    code += "try: decode(sys.argv[1])\nexcept Exception as error: print(type(error).__name__, error)"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"ImageError {path}: cannot be read as TIFF: this needs 'imagecodecs', which is not installed; "
        f"type: pip install 'twinspect[formats]'; allowed are whole {FORMAT_NAMES} files\n"
    )


@pytest.mark.parametrize("channels", [2, 4])
def test_sixteen_bit_tiff_with_alpha(tmp_path, channels):
    values = words(channels=channels)
    photometric = "rgb" if channels == 4 else "minisblack"
    options = {"photometric": photometric, "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", values, extrasamples=["unassalpha"], **options)
    np.testing.assert_array_equal(decoding.decode(tmp_path / "a.tif").values, values)
    tifffile.imwrite(tmp_path / "x.tif", values, extrasamples=["unspecified"], **options)
    np.testing.assert_array_equal(decoding.decode(tmp_path / "x.tif").values, values[..., :-1])
    tifffile.imwrite(tmp_path / "p.tif", values, extrasamples=["assocalpha"], **options)
    np.testing.assert_array_equal(decoding.decode(tmp_path / "p.tif").values, values[..., :-1])


def test_bits_says_how_many_a_camera_uses(tmp_path):
    values = np.array([[0, 8, 9, 2048, 4095]], dtype=np.uint16)
    path = write(tmp_path / "a.png", png16(values[..., None]))
    assert read_rgb(path, bits=12)[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    assert read_rgb(path)[0, :, 0].tolist() == [0, 0, 0, 8, 16]
    assert read_rgb(path, bits=16)[0, :, 0].tolist() == [0, 0, 0, 8, 16]
    colour = words() >> 4
    np.testing.assert_array_equal(
        read_rgb(write(tmp_path / "c.png", png16(colour)), bits=12), rounded(colour, 4095)
    )


def test_bits_leaves_eight_bit_files_alone(tmp_path):
    path = save(tmp_path / "a.png", Image.fromarray(colours()))
    np.testing.assert_array_equal(read_rgb(path, bits=12), colours())


def test_a_value_beyond_bits_is_white(tmp_path):
    path = write(tmp_path / "a.png", png16(np.array([[[4094], [4095], [4096], [65535]]], dtype=np.uint16)))
    assert read_rgb(path, bits=12)[0, :, 0].tolist() == [255, 255, 255, 255]
    assert read_rgb(path, bits=13)[0, :, 0].tolist() == [127, 127, 128, 255]


@pytest.mark.parametrize("bits", [0, 7, 17, -1])
def test_bits_out_of_range(tmp_path, bits):
    with pytest.raises(ConfigError, match=rf"bits is {bits}; allowed are 8 to 16"):
        read_rgb(tmp_path / "a.png", bits=bits)


def test_twelve_bit_tiff_is_white_at_4095(tmp_path):
    # Two pixels of 12 bits in three bytes: 4095 and 2048.
    data = bytes([0xFF, 0xF8, 0x00])
    tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3)]
    ifd = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags
    )
    path = write(tmp_path / "a.tif", struct.pack("<2sHI", b"II", 42, 12) + data + b"\0" + ifd + b"\0" * 4)
    assert read_rgb(path)[0, :, 0].tolist() == [255, 128]


# -------------------------------------------------------------------------------------------------- float


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_float_tiff_from_zero_to_one(tmp_path, dtype, channels):
    values = np.repeat(np.array([[[0.0], [0.25], [0.5], [1.0]]], dtype=dtype), channels, axis=-1)
    kind = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", values[..., 0] if channels == 1 else values, photometric=kind)
    assert read_rgb(tmp_path / "a.tif").reshape(4, 3)[:, 1].tolist() == [0, 64, 128, 255]


def test_float_values_that_are_no_numbers(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0.5, np.nan, np.nan, np.inf]], dtype=np.float32))
    assert message(tmp_path / "a.tif") == (
        "holds 2 NaN and 1 infinite of 4 values; allowed are finite numbers from 0 to 1"
    )


@pytest.mark.parametrize(("low", "high"), [(-0.5, 1), (0, 255)])
def test_float_values_out_of_range(tmp_path, low, high):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[low, high]], dtype=np.float32))
    assert f"float values from {low:g} to {high:g}; allowed are 0 to 1" in message(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        (np.int8, "8-bit signed"),
        (np.int16, "16-bit signed"),
        (np.uint32, "32-bit unsigned"),
        (np.int32, "32-bit"),
    ],
)
def test_integers_without_a_white_point(tmp_path, dtype, text):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4), dtype=dtype))
    text = f"holds {text}"
    assert text in message(tmp_path / "a.tif")
    assert "allowed are unsigned 1 to 16 bits, or float from 0 to 1" in message(tmp_path / "a.tif")


def test_many_channels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", words(8, 8, 6), photometric="minisblack", planarconfig="contig")
    assert message(tmp_path / "a.tif").startswith("has 6 channels; allowed are 1 to 4")


# -------------------------------------------------------------------------------------------- orientation

STORED_FROM_UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "kind", ["png", "late.png", "webp", "tif", "lzw.tif", "deep.tif", "floatrgb.tif", "deep.png"]
)
def test_every_orientation_gives_the_same_pixels(tmp_path, kind, orientation):
    upright = colours(4, 6)
    stored = np.ascontiguousarray(STORED_FROM_UPRIGHT[orientation](upright))
    height, width = stored.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in stored)
    path = tmp_path / f"a.{kind}"
    tag = {"extratags": [(274, 3, 1, orientation, True)], "photometric": "rgb"}
    if kind == "png":
        write(path, png(width, height, 8, 2, rows, chunk(b"eXIf", exif(orientation))))
    elif kind == "late.png":
        data = png(width, height, 8, 2, rows)
        write(path, data[:-12] + chunk(b"eXIf", exif(orientation)) + data[-12:])
    elif kind == "webp":
        save(path, Image.fromarray(stored), lossless=True, exif=b"Exif\0\0" + exif(orientation))
    elif kind == "tif":
        tifffile.imwrite(path, stored, **tag)
    elif kind == "lzw.tif":
        save(path, Image.fromarray(stored), compression="tiff_lzw", tiffinfo={274: orientation})
    elif kind == "deep.tif":
        tifffile.imwrite(path, stored.astype(np.uint16) * 257, **tag)
    elif kind == "floatrgb.tif":
        tifffile.imwrite(path, stored.astype(np.float32) / 255, **tag)
    else:
        write(path, png16(stored.astype(np.uint16) * 257, chunk(b"eXIf", exif(orientation))))
    np.testing.assert_array_equal(read_rgb(path), upright)
    assert image_size(path) == (4, 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_jpeg_agrees_with_pillow(tmp_path, orientation):
    path = save(tmp_path / "a.jpg", Image.fromarray(colours(16, 24)), exif=b"Exif\0\0" + exif(orientation))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_rgb(path), expected)
    assert image_size(path) == expected.shape[:2]


@pytest.mark.parametrize(
    "block", [b"", b"II", b"II*\0\xff\xff\xff\xff", exif(0), exif(9), b"nonsense" * 3, exif(6)[:14]]
)
def test_a_damaged_exif_block_means_upright(tmp_path, block):
    pixels = colours(4, 6)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    path = write(tmp_path / "a.png", png(6, 4, 8, 2, rows, chunk(b"eXIf", block)))
    np.testing.assert_array_equal(read_rgb(path), pixels)


def test_a_damaged_exif_block_of_a_jpeg_goes_unmentioned(tmp_path):
    block = b"Exif\0\0" + exif(6)[:14]
    path = save(tmp_path / "a.jpg", Image.fromarray(colours(16, 24)), exif=block)
    assert read_rgb(path).shape == (16, 24, 3)


# ----------------------------------------------------------------------------------------------- refusals


def test_missing_file(tmp_path):
    assert message(tmp_path / "a.png") == "no such file"


def test_folder(tmp_path):
    assert message(tmp_path) == "is a folder; an image file is needed"


def test_empty_file(tmp_path):
    assert message(write(tmp_path / "a.png", b"")).startswith("is empty (0 bytes)")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a Unix thing")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert message(tmp_path / "a.png").startswith("is not a regular file")


def test_text_named_png(tmp_path):
    text = message(write(tmp_path / "a.png", b"hello, world, this is text"))
    assert text == (
        f"is not an image that can be read: it starts with b'hello, world'; allowed are {FORMAT_NAMES}"
    )


def test_another_image_format_is_named_by_its_first_bytes(tmp_path):
    assert "b'GIF8" in message(save(tmp_path / "a.gif", Image.new("L", (4, 4))))


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize(
    "name", ["a.jpg", "a.png", "a.bmp", "a.tif", "a.webp", "lzw.tif", "deep.png", "deep.tif", "planar.tif"]
)
def test_truncated_files_are_never_filled_up(tmp_path, monkeypatch, name, tolerant):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    path = tmp_path / name
    if name == "deep.png":
        write(path, png16(words(64, 64)))
    elif name == "deep.tif":
        tifffile.imwrite(path, words(64, 64), photometric="rgb")
    elif name == "planar.tif":
        tifffile.imwrite(path, words(3, 64, 64), photometric="rgb", planarconfig="separate")
    else:
        save(
            path,
            Image.fromarray(colours(64, 64)),
            **({"compression": "tiff_lzw"} if name == "lzw.tif" else {}),
        )
    read_rgb(path)
    whole = path.read_bytes()
    write(path, whole[: len(whole) * 2 // 3])
    assert "cannot be read as" in message(path)
    write(path, whole[:12])
    assert message(path)


def test_corrupt_png_data(tmp_path):
    data = bytearray(png16(words(64, 64)))
    data[2000] ^= 0xFF
    assert "cannot be read as PNG" in message(write(tmp_path / "a.png", bytes(data)))


def huge_png(side: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def huge_bmp(side: int) -> bytes:
    data = struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54)
    return data + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)


def huge_webp(side: int) -> bytes:
    packed = (side - 1) | (side - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<IBI", 5, 0x2F, packed) + b"\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def huge_tiff(side: int) -> bytes:
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, side), (279, 9)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def huge_jpeg(side: int) -> bytes:
    with io.BytesIO() as stream:
        Image.new("L", (8, 8)).save(stream, "jpeg")
        data = bytearray(stream.getvalue())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", side, side)
    return bytes(data)


HUGE = {"png": huge_png, "bmp": huge_bmp, "tif": huge_tiff, "jpg": huge_jpeg}


@pytest.mark.parametrize("kind", HUGE)
@pytest.mark.parametrize("side", [14143, 20000])
def test_a_huge_header_is_refused_without_decoding(tmp_path, kind, side):
    path = write(tmp_path / f"a.{kind}", HUGE[kind](side))
    tracemalloc.start()
    text = message(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text.startswith(
        f"too large: {side} x {side} pixels are {side * side:,}, allowed are at most 200,000,000"
    )
    assert peak < 20_000_000
    with pytest.raises(ImageError, match="too large"):
        image_size(path)


def test_a_huge_webp_is_refused(tmp_path):
    text = message(write(tmp_path / "a.webp", huge_webp(16384)))
    assert text.startswith("too large: 16384 x 16384")


def test_a_smaller_limit_is_kept_before_decoding(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", Image.fromarray(colours(5, 7)))
    assert read_rgb(path, max_pixels=35).shape == (5, 7, 3)
    monkeypatch.setattr(decoding, "_decode", lambda *_, **__: pytest.fail("decoded"))
    assert message(path, max_pixels=34).startswith("too large: 7 x 5 pixels are 35, allowed are at most 34")


def test_max_pixels_is_the_documented_one():
    assert MAX_PIXELS == 200_000_000


@pytest.mark.parametrize("kind", ["png", "bmp", "tif", "lzw.tif", "deep.tif", "jpg"])
def test_pillows_own_limit_takes_no_part(tmp_path, monkeypatch, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "deep.tif":
        tifffile.imwrite(path, words(40, 40), photometric="rgb")
    else:
        save(
            path,
            Image.fromarray(colours(40, 40)),
            **({"compression": "tiff_lzw"} if kind == "lzw.tif" else {}),
        )
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert read_rgb(path).shape == (40, 40, 3)  # Pillow's warning would be an error here


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_several_pictures_are_refused(tmp_path, name):
    images = [Image.fromarray(colours(seed=seed)) for seed in range(3)]
    path = save(tmp_path / name, images[0], save_all=True, append_images=images[1:])
    assert "holds several pictures; allowed is one" in message(path)
    assert image_size(path) == (5, 7)


def test_thumbnails_inside_a_tiff_are_ignored(tmp_path):
    pixels = colours(32, 32)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(pixels, photometric="rgb")
        tiff.write(pixels[::2, ::2], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif"), pixels)


def test_a_phone_jpeg_with_a_second_picture_gives_the_first(tmp_path):
    images = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    path = save(tmp_path / "a.jpg", images[0], format="MPO", save_all=True, append_images=images[1:])
    assert np.abs(read_rgb(path)[0, 0].astype(int) - [255, 0, 0]).max() < 5


def test_reading_from_many_threads(tmp_path):
    paths = [write(tmp_path / f"{i}.png", png16(words(32, 32) + np.uint16(i))) for i in range(4)]
    paths += [save(tmp_path / f"{i}.jpg", Image.fromarray(colours(32, 32, seed=i))) for i in range(4)]
    alone = [read_rgb(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read_rgb, paths * 8))
    for found, expected in zip(together, alone * 8, strict=True):
        np.testing.assert_array_equal(found, expected)


# -------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize("value", [1, 2, 127, 255])
def test_any_value_above_zero_is_anomalous(tmp_path, value):
    values = np.array([[0, value, 0]], dtype=np.uint8)
    found = read_mask(save(tmp_path / "a.png", Image.fromarray(values)), (1, 3))
    assert found.dtype == np.bool_
    assert found.tolist() == [[False, True, False]]


def test_masks_of_every_kind_agree(tmp_path):
    mask = colours(6, 8)[..., 0] > 128
    red = np.stack([mask * 255, mask * 0, mask * 0], axis=-1).astype(np.uint8)
    faint = np.where(mask, 1, 0).astype(np.uint16)
    overlay = np.dstack([np.full((6, 8, 3), 200, dtype=np.uint8), np.where(mask, 90, 0).astype(np.uint8)])
    entries = Image.fromarray(mask.astype(np.uint8) * 3).convert("P")
    entries.putpalette([255, 255, 255, 0, 0, 0] * 4)  # entry 0 is white, entry 3 black
    files = [
        save(tmp_path / "bits.png", Image.fromarray(mask)),
        save(tmp_path / "red.png", Image.fromarray(red)),
        write(tmp_path / "deep.png", png16(faint[..., None])),
        save(tmp_path / "overlay.png", Image.fromarray(overlay)),
        save(tmp_path / "palette.png", entries),
        save(tmp_path / "grey.tif", Image.fromarray(mask.astype(np.uint8))),
        save(tmp_path / "grey.webp", Image.fromarray(red), lossless=True),
    ]
    tifffile.imwrite(tmp_path / "float.tif", mask.astype(np.float32) / 2)
    for path in [*files, tmp_path / "float.tif"]:
        np.testing.assert_array_equal(read_mask(path, (6, 8)), mask, err_msg=path.name)


def test_a_mask_whose_alpha_is_zero_everywhere(tmp_path):
    mask = colours(6, 8)[..., 0] > 128
    pixels = np.dstack([mask * 255] * 3 + [mask * 0]).astype(np.uint8)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", Image.fromarray(pixels)), (6, 8)), mask)
    nothing = np.dstack([np.full((6, 8, 3), 200), np.zeros((6, 8))]).astype(np.uint8)
    assert not read_mask(save(tmp_path / "b.png", Image.fromarray(nothing)), (6, 8)).any()


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_the_grey_fringe_of_a_lossy_mask_is_cut_at_half(tmp_path, name):
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:41, 10:33] = True
    path = save(tmp_path / name, Image.fromarray(mask.astype(np.uint8) * 255), quality=60)
    assert (read_rgb(path)[..., 0][~mask] > 0).any()  # there is a fringe
    np.testing.assert_array_equal(read_mask(path, (64, 64)), mask)


def test_a_mask_is_turned_upright_too(tmp_path):
    mask = colours(4, 6)[..., 0] > 128
    stored = np.ascontiguousarray(np.rot90(mask)).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in stored)
    path = write(tmp_path / "a.png", png(4, 6, 8, 0, rows, chunk(b"eXIf", exif(6))))
    np.testing.assert_array_equal(read_mask(path, (4, 6)), mask)


def test_a_mask_of_another_size_names_both(tmp_path):
    path = save(tmp_path / "a.png", Image.new("L", (8, 6)))
    with pytest.raises(DataError) as error:
        read_mask(path, (12, 16))
    assert str(error.value).startswith(f"{path}: the mask is 8 x 6 pixels, its image 16 x 12;")


def test_an_unreadable_mask(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        read_mask(tmp_path / "a.png", (1, 1))


# -------------------------------------------------------------------------------------------------- sizes


def test_image_size_does_not_decode(tmp_path):
    # The pixels are missing altogether, so decoding would fail.
    data = png(300, 200, 8, 2, b"")
    assert image_size(write(tmp_path / "a.png", data)) == (200, 300)


def test_suffixes_are_lower_case():
    usual = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
    assert usual | {".avif", ".heic", ".heif", ".dcm"} == IMAGE_SUFFIXES
