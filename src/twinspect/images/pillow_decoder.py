"""Decoding with Pillow, wherever it keeps every bit.

Pillow is driven through its format classes instead of ``Image.open``, so that neither its process-wide settings
(``MAX_IMAGE_PIXELS``, ``LOAD_TRUNCATED_IMAGES``) nor its warnings take part: many threads may read at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageFile, features
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from twinspect.errors import ImageError, MissingExtraError
from twinspect.images.formats import AVIF, BMP, JPEG, PNG, TIFF, WEBP, ImageFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.images.stored_pixels import ImageStream


class _Jpeg(JpegImageFile):
    """A JPEG whose EXIF block Pillow leaves alone: it would look for a resolution there, and warn."""

    def getexif(self) -> Image.Exif:
        return Image.Exif()


_PLUGINS: Final[dict[ImageFormat, type[ImageFile.ImageFile]]] = {
    PNG: PngImageFile,
    JPEG: _Jpeg,
    TIFF: TiffImageFile,
    BMP: BmpImageFile,
    WEBP: WebPImageFile,
}


def open_with_pillow(stream: ImageStream, image_format: ImageFormat) -> ImageFile.ImageFile:
    """Open a file without decoding it, except for WebP, whose decoder reserves the canvas at once."""
    stream.seek(0)
    return _avif_plugin()(stream) if image_format is AVIF else _PLUGINS[image_format](stream)


def _avif_plugin() -> type[ImageFile.ImageFile]:
    if not features.check("avif"):
        raise MissingExtraError("this needs Pillow 11.3 or later; type: pip install 'twinspect[formats]'")
    from PIL.AvifImagePlugin import AvifImageFile  # noqa: PLC0415 - not in older ones

    return AvifImageFile


def eight_bit_values(image: Image.Image, *, indices: bool) -> NDArray[np.uint8]:
    """Decode to (H, W, C) uint8; C as in ``StoredPixels``.

    Args:
        image: an image of at most 8 bits a channel.
        indices: give the entry numbers of a palette image instead of its colours.
    """
    if indices and image.mode == "P":
        return to_array(image)
    transparent = image.has_transparency_data
    if image.mode in ("1", "L") and not transparent:
        return to_array(image.convert("L"))
    if image.mode in ("LA", "La"):
        return to_array(image.convert("LA"))
    if image.mode == "LAB":
        raise ImageError("its colours are CIELAB; allowed are grey, RGB, palette and CMYK")
    return to_array(image.convert("RGBA" if transparent else "RGB"))


def to_array(image: Image.Image) -> NDArray[Any]:
    """Copy pixels into a writable (H, W, C) array in the machine's byte order."""
    array = np.array(image)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.ndim == 3 else array[..., None]


def webp_size(stream: ImageStream) -> tuple[int, int]:
    """Read (height, width) from the first chunk of a WebP file."""
    start = stream.bytes_at(0, 30).ljust(30, b"\0")
    chunk = start[12:16]
    if chunk == b"VP8X":
        return int.from_bytes(start[27:30], "little") + 1, int.from_bytes(start[24:27], "little") + 1
    if chunk == b"VP8L":
        packed = int.from_bytes(start[21:25], "little")
        return (packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1
    return int.from_bytes(start[28:30], "little") & 0x3FFF, int.from_bytes(start[26:28], "little") & 0x3FFF


def is_lossless_webp(stream: ImageStream) -> bool:
    """Whether a WebP file is plain lossless."""
    return stream.bytes_at(12, 4) == b"VP8L"
