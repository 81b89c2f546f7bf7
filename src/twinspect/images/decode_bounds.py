"""Bounds on what decoding a file may take, proven from its header and structure before anything is decoded."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from twinspect.errors import ImageError, TooManyPixelsError
from twinspect.images.file_structure import MAX_DIRECTORIES, MAX_SCANS

if TYPE_CHECKING:
    from twinspect.images.stored_pixels import Header, ImageStream

MAX_SCANNED_PIXELS: Final = 5_000_000_000
"""Pixels times scans of a JPEG: a slow processor decodes so many in 20 s. Usual are about ten scans, or one."""
MAX_BYTES: Final = 4 * 2**30
"""Memory that decoding one image may take."""
_BYTES_OF_RESULT: Final = 12
"""Bytes a pixel beside those of the stored channels: the RGB result, its copies, an orientation."""
_COPIES: Final = 1.5
"""Copies of the stored channels at once, at most; measured over all kinds of files that are read."""
_START_OF_SCAN: Final = b"\xff\xda"


def check_scans(stream: ImageStream, header: Header) -> None:
    """Refuse a JPEG whose scans take too long; each takes as long as the picture is large.

    Raises:
        ImageError: it has too many scans for its size.
    """
    stream.seek(0)
    scans = stream.read().count(_START_OF_SCAN)
    allowed = min(MAX_SCANS, MAX_SCANNED_PIXELS // max(1, header.size[0] * header.size[1]))
    if scans > allowed:
        raise ImageError(f"has {scans} scans, allowed are {allowed} at its size; save it anew")


def check_directories(stream: ImageStream) -> None:
    """Refuse a TIFF whose chain of directories is long or has no end.

    Raises:
        ImageError: it has too many directories, or its header is cut off.
    """
    start = stream.bytes_at(0, 16)
    order = "<" if start[:2] == b"II" else ">"
    is_big = b"+" in start[2:4]
    word, count, entry = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    try:
        (offset,) = struct.unpack_from(order + word, start, 8 if is_big else 4)
        for _ in range(MAX_DIRECTORIES):
            (entries,) = struct.unpack(order + count, stream.bytes_at(offset, struct.calcsize(count)))
            end = offset + struct.calcsize(count) + entries * entry
            (offset,) = struct.unpack(order + word, stream.bytes_at(end, struct.calcsize(word)))
            if not offset:
                return
    except (struct.error, OverflowError, OSError):
        return  # the decoder says what is damaged
    raise ImageError(f"has more than {MAX_DIRECTORIES} directories; allowed is one picture a file")


def check_memory(header: Header) -> None:
    """Refuse an image that decoding would need too much memory for.

    Raises:
        TooManyPixelsError: it would.
    """
    height, width = header.size
    channels = max(4 if header.bits <= 8 else 1, header.channels)  # a palette has colours and alpha
    stored = channels * max(1, header.bits // 8)
    needed = height * width * (_COPIES * stored + _BYTES_OF_RESULT)
    if needed > MAX_BYTES:
        raise TooManyPixelsError(
            f"too large: {width} x {height} pixels of {channels} channels and {header.bits} bits take "
            f"{needed / 2**30:.1f} GiB to decode, allowed are {MAX_BYTES / 2**30:.0f}; cut the image into tiles"
        )
