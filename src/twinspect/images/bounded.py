"""Decoding within bounds of time and memory: in this process where the header proves them, else in a child.

The one way in for every image. On systems that cannot limit a child (Windows, macOS) the header alone sets bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.images.decode_limits import DecodeLimits, decode_limits
from twinspect.images.decoder_process import IS_LIMITED, decode_in_child
from twinspect.images.decoding import MAX_PIXELS, decode_opened, judged_header, opened
from twinspect.images.formats import BMP, JPEG, PNG

if TYPE_CHECKING:
    from pathlib import Path

    from twinspect.images.formats import ImageFormat
    from twinspect.images.stored_pixels import Header, ImageStream, StoredPixels

_PROVEN: Final = frozenset({JPEG, PNG, BMP})
"""Formats whose pixels take a time that the header tells, in decoders that print nothing."""
_PROVEN_PIXELS: Final = 50_000_000
"""Pixels of them that a slow processor decodes well within the default of 20 s: 16-bit colour of PNG takes it 8 s."""


def stored_values(
    path: Path | str,
    *,
    indices: bool = False,
    content: bytes | None = None,
    image_format: ImageFormat | None = None,
    max_pixels: int = MAX_PIXELS,
) -> StoredPixels:
    """Decode one file to the values it stores, upright, within the limits of :func:`decode_limits`.

    Args:
        path: the file; its contents decide the format, not its suffix.
        indices: give the entry numbers of a palette image instead of its colours.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.
        image_format: of the file, if it has been detected already.
        max_pixels: the largest image to decode.

    Raises:
        ImageError: the file cannot be read as one image; the message is one line that starts with the path.
    """
    limits = decode_limits()
    with opened(path, content, image_format) as (stream, found):
        if found in _PROVEN or not IS_LIMITED:
            header = judged_header(stream, found, max_pixels)
            if not IS_LIMITED or _is_proven(stream, header, limits):
                return decode_opened(stream, header, indices=indices)
    return decode_in_child(str(path), indices=indices, content=content, max_pixels=max_pixels)


def _is_proven(stream: ImageStream, header: Header, limits: DecodeLimits) -> bool:
    height, width = header.size
    if height * width > _PROVEN_PIXELS * limits.seconds / DecodeLimits.seconds:
        return False
    return header.format is not BMP or _is_uncompressed(stream)


def _is_uncompressed(stream: ImageStream) -> bool:
    """Whether a BMP has one value after the other; Pillow expands run lengths one by one in Python."""
    length = int.from_bytes(stream.bytes_at(14, 4), "little")
    return length < 40 or int.from_bytes(stream.bytes_at(30, 4), "little") in (0, 3)
