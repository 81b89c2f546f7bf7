"""Bounds on what decoding a file may take, proven from its header and structure before anything is decoded."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from twinspect.errors import ImageError, TooManyPixelsError
from twinspect.images.decode_limits import decode_limits
from twinspect.images.file_structure import MAX_DIRECTORIES, MAX_SCANS
from twinspect.utils.memory import available_memory

if TYPE_CHECKING:
    from twinspect.images.stored_pixels import Header, ImageStream

_SCANNED_PIXELS_A_SECOND: Final = 250_000_000
"""Pixels times scans of a JPEG that a slow processor decodes. Usual are about ten scans, or one."""
_BYTES_OF_RESULT: Final = 12
"""Bytes a pixel beside those of the stored channels: the RGB result, its copies, an orientation."""
_COPIES: Final = 1.5
"""Copies of the stored channels at once, at most; measured over all kinds of files that are read."""
_SMALL: Final = 2**28
"""Bytes that are taken for granted: asking the system for each image would take longer than it is worth."""
_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE: Final = 0xC2
_START_OF_SCAN: Final = 0xDA
_MOST_SEGMENTS: Final = 1000
"""Segments of a JPEG before its first scan that are looked at."""


def check_scans(stream: ImageStream, header: Header) -> None:
    """Refuse a JPEG whose scans take too long; each takes as long as the picture is large.

    Raises:
        ImageError: it has too many scans for its size.
    """
    if _is_single_scan(stream):
        return
    stream.seek(0)
    scans = stream.read().count(bytes([0xFF, _START_OF_SCAN]))
    scanned = int(_SCANNED_PIXELS_A_SECOND * decode_limits().seconds)
    allowed = min(MAX_SCANS, scanned // max(1, header.size[0] * header.size[1]))
    if scans > allowed:
        raise ImageError(f"has {scans} scans, allowed are {allowed} at its size; save it anew")


def _is_single_scan(stream: ImageStream) -> bool:
    """Whether the first scan has every channel whole: then the decoder reads no further one."""
    offset, channels = 2, 0
    for _ in range(_MOST_SEGMENTS):
        start = stream.bytes_at(offset, 10).ljust(10, b"\0")
        marker = start[1]
        if marker == _START_OF_SCAN:
            return 0 < channels <= start[4]
        if start[0] != 0xFF or marker == _PROGRESSIVE:
            break
        if marker in _START_OF_FRAME:
            channels = start[9]
        offset += 2 + int.from_bytes(start[2:4], "big")
    return False


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
        TooManyPixelsError: it would take more than is allowed, or than is free.
    """
    height, width = header.size
    channels = max(4 if header.bits <= 8 else 1, header.channels)  # a palette has colours and alpha
    stored = channels * max(1, header.bits // 8)
    needed = height * width * (_COPIES * stored + _BYTES_OF_RESULT)
    if needed <= _SMALL:
        return
    allowed, free = decode_limits().memory, available_memory()
    if needed > min(allowed, free):
        bound = f"allowed are {allowed / 2**30:g}" if allowed <= free else f"{free / 2**30:.1f} are free"
        raise TooManyPixelsError(
            f"too large: {width} x {height} pixels of {channels} channels and {header.bits} bits take "
            f"{needed / 2**30:.1f} GiB to decode, {bound}; cut the image into tiles"
        )
