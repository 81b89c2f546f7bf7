"""Image files altered at random: each is read, or refused in a line, within two seconds and without other errors.

The short run is part of the suite. The long one (`pytest -m slow`) reads more than 20 000 files in one process whose
memory is limited.
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from altered import flipped
from twinspect.errors import ImageError
from twinspect.images import image_size, read_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 2.0
SHORT, LONG = 25, 1700


def saved(image_format: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    Image.fromarray(values).convert(mode).save(buffer, image_format, **options)
    return buffer.getvalue()


def tiff(dtype: str, channels: int, compression: str | None) -> bytes:
    buffer = io.BytesIO()
    values = (np.random.default_rng(0).random((40, 30, channels)) * (1 if dtype[0] == "f" else 255)).astype(
        dtype
    )
    tifffile.imwrite(buffer, values, photometric="rgb", compression=compression)
    return buffer.getvalue()


FILES = {
    "png": saved("PNG"),
    "png palette": saved("PNG", "P"),
    "png alpha": saved("PNG", "RGBA"),
    "jpeg": saved("JPEG"),
    "jpeg progressive": saved("JPEG", progressive=True),
    "jpeg cmyk": saved("JPEG", "CMYK"),
    "bmp": saved("BMP"),
    "webp": saved("WEBP"),
    "webp lossless": saved("WEBP", "RGBA", lossless=True),
    "tiff": saved("TIFF"),
    "tiff 16": tiff("uint16", 3, "zlib"),
    "tiff float": tiff("float32", 3, "zlib"),
    **({"avif": saved("AVIF")} if features.check("avif") else {}),
}


def read_altered(content: bytes, seeds: range) -> tuple[int, int]:
    """Read a file altered in many ways; count those that are read and those that are refused."""
    counts = [0, 0]
    for seed in seeds:
        damaged, began, said = flipped(content, seed), time.monotonic(), ""
        try:
            with suppress(ImageError):
                image_size(Path("a"), content=damaged)
            assert read_rgb("a", content=damaged, max_pixels=10**7).dtype == np.uint8
        except ImageError as error:
            said = str(error)
            assert said.startswith("a: ")
            assert "\n" not in said
        assert time.monotonic() - began < SECONDS, seed
        counts[bool(said)] += 1
    return counts[0], counts[1]


@pytest.mark.parametrize("kind", FILES)
def test_an_altered_file_is_read_or_refused(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert read_altered(FILES[kind], range(1))[0] + read_altered(FILES[kind], range(1, SHORT))[1] > 0
    assert capfd.readouterr() == ("", "")  # neither do the libraries print


@pytest.fixture
def limited_memory() -> Iterator[None]:
    """Leave this process 2 GiB beyond what it has."""
    resource = pytest.importorskip("resource")
    if sys.platform != "linux":
        pytest.skip("address space is limited on Linux only")
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:  # noqa: PTH123 - not a file of ours
        pages = int(file.read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.slow
@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("kind", FILES)
def test_many_altered_files_are_read_or_refused(kind: str) -> None:
    is_read, is_refused = read_altered(FILES[kind], range(1000, 1000 + LONG))
    assert is_read + is_refused == LONG
    print(f"{kind}: {is_read} read, {is_refused} refused")
