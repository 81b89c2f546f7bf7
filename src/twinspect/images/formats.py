"""The image formats that are read: one row each.

A new format is a row here, a decoder in :mod:`twinspect.images.decoding` and a walk through its container in
:mod:`twinspect.images.file_structure`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SIGNATURE_BYTES: Final = 132
"""How many bytes from the start of a file :func:`detect_format` needs."""


@dataclass(frozen=True)
class ImageFormat:
    """One image format.

    Attributes:
        name: for people.
        suffixes: its file name endings, in lower case; files are archived under the first.
        signature: matches the first bytes of its files.
        media_type: of HTTP.
    """

    name: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes]
    media_type: str


def _row(name: str, suffixes: str, signature: bytes, media_type: str) -> ImageFormat:
    return ImageFormat(name, tuple(suffixes.split()), re.compile(signature, re.DOTALL), media_type)


PNG: Final = _row("PNG", ".png", rb"\x89PNG\r\n\x1a\n", "image/png")
JPEG: Final = _row("JPEG", ".jpg .jpeg", rb"\xff\xd8\xff", "image/jpeg")
TIFF: Final = _row("TIFF", ".tif .tiff", rb"II[*+]\0|MM\0[*+]", "image/tiff")  # + is BigTIFF
BMP: Final = _row("BMP", ".bmp", rb"BM", "image/bmp")
WEBP: Final = _row("WebP", ".webp", rb"RIFF.{4}WEBP", "image/webp")
# Both are boxes of ISO 14496-12, which name the kinds that they are: first the main one, then all.
AVIF: Final = _row("AVIF", ".avif", rb".{4}ftyp(?:.{4}){0,12}?avi[fs]", "image/avif")
HEIC: Final = _row("HEIC", ".heic .heif", rb".{4}ftyp(?:.{4}){0,12}?(?:hei[cxms]|hev[cxms])", "image/heic")
DICOM: Final = _row("DICOM", ".dcm", rb".{128}DICM", "application/dicom")

FORMATS: Final = (PNG, JPEG, TIFF, BMP, WEBP, AVIF, HEIC, DICOM)
FORMAT_NAMES: Final = ", ".join(image_format.name for image_format in FORMATS)
IMAGE_SUFFIXES: Final = frozenset(suffix for image_format in FORMATS for suffix in image_format.suffixes)
"""The file name endings, in lower case, by which a folder's images are told from its other files."""
MEDIA_TYPES: Final = {image_format.suffixes[0]: image_format.media_type for image_format in FORMATS}
"""What an archived file is sent back as."""


def detect_format(start: bytes) -> ImageFormat | None:
    """Name the format of a file by its first bytes.

    Args:
        start: the file, or its first ``SIGNATURE_BYTES``.

    Returns:
        ``None`` if it is not an image of a format that is read.
    """
    return next((row for row in FORMATS if row.signature.match(start)), None)
