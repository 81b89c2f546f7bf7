"""Image files altered at random: each is read, or refused in a line, within two seconds and without other errors.

The short run is part of the suite. The long one (`pytest -m slow`) reads thousands in one process whose memory is
limited.
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from altered import flipped
from trials import seeds, trying
from twinspect.errors import ImageError
from twinspect.images import image_size, read_rgb


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


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("kind", FILES)
@seeds(25, 600)
def test_an_altered_file_is_read_or_refused(
    kind: str, seeds: range, capfd: pytest.CaptureFixture[str]
) -> None:
    with trying(f"images, {kind.partition(' ')[0]}") as trial:
        for seed in seeds:
            damaged = flipped(FILES[kind], seed)

            def read(damaged: bytes = damaged) -> None:
                with suppress(ImageError):
                    image_size(Path("a"), content=damaged)
                assert read_rgb("a", content=damaged, max_pixels=10**7).dtype == np.uint8

            said = trial.refusal(seed, read, ImageError)
            assert said == "" or said.startswith("a: ")
    assert capfd.readouterr() == ("", "")  # neither do the libraries print
