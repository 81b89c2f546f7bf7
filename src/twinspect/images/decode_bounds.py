"""Bounds on what decoding a file may take, proven from its header and structure before anything is decoded."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from twinspect.errors import ImageError, TooManyPixelsError
from twinspect.images.decode_limits import decode_limits
from twinspect.images.file_structure import (
    MAX_CHUNK_BYTES,
    MAX_CHUNKS,
    MAX_DIRECTORIES,
    MAX_SCANS,
    MAX_SEGMENTS,
)
from twinspect.images.formats import JPEG, PNG
from twinspect.utils.memory import available_memory

if TYPE_CHECKING:
    from twinspect.images.formats import ImageFormat
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
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xDA)})
_BLOCK: Final = 2**20


def check_segments(stream: ImageStream, image_format: ImageFormat) -> None:
    """Refuse a JPEG or PNG of very many segments, or chunks, which a decoder would walk one by one.

    Raises:
        ImageError: it has too many, or an overlong one beside the pixels.
    """
    if image_format is JPEG:
        _jpeg_headers(stream)
    elif image_format is PNG:
        _check_chunks(stream)


def check_scans(stream: ImageStream, header: Header) -> None:
    """Refuse a JPEG whose scans take too long; each takes as long as the picture is large.

    Raises:
        ImageError: it has too many scans for its size.
    """
    if _is_single_scan(_jpeg_headers(stream)):
        return
    scans = _count(stream, bytes([0xFF, _START_OF_SCAN]))
    limits = decode_limits()
    scanned = int(_SCANNED_PIXELS_A_SECOND * limits.seconds)
    allowed = min(MAX_SCANS, scanned // max(1, header.size[0] * header.size[1]))
    if scans > allowed:
        other_way = f", or {limits.more_time}" if scans <= MAX_SCANS else ""
        raise ImageError(f"has {scans} scans, allowed are {allowed} at its size; save it anew{other_way}")


def _jpeg_headers(stream: ImageStream) -> dict[int, bytes]:
    """Find the segments before the first scan, and its own; give the start of the last of each kind.

    Raises:
        ImageError: they are too many.
    """
    offset, starts = 2, dict[int, bytes]()
    for _ in range(MAX_SEGMENTS):
        start = stream.bytes_at(offset, 10)
        if len(start) < 4:
            return starts
        marker = start[1]
        if start[0] != 0xFF or marker in (0x00, 0xFF):
            offset += 1  # as decoders do, which look for the next marker
            continue
        starts[marker] = start.ljust(10, b"\0")
        if marker == _START_OF_SCAN:
            return starts
        offset += 2 if marker in _WITHOUT_LENGTH else 2 + int.from_bytes(start[2:4], "big")
    raise ImageError(f"has more than {MAX_SEGMENTS:,} segments before its first scan; save it anew")


def _is_single_scan(starts: dict[int, bytes]) -> bool:
    """Whether the first scan has every channel whole: then the decoder reads no further one."""
    frames = [start for marker, start in starts.items() if marker in _START_OF_FRAME]
    if len(frames) != 1 or _PROGRESSIVE in starts or _START_OF_SCAN not in starts:
        return False
    return 0 < frames[0][9] <= starts[_START_OF_SCAN][4]


def _check_chunks(stream: ImageStream) -> None:
    offset = 8
    for _ in range(MAX_CHUNKS):
        length, kind = (start := stream.bytes_at(offset, 8))[:4], start[4:]
        if len(start) < 8 or kind == b"IEND":
            return
        size = int.from_bytes(length, "big")
        if size > MAX_CHUNK_BYTES and kind != b"IDAT":
            raise ImageError(f"has {size:,} bytes that are not pixels; allowed are {MAX_CHUNK_BYTES:,}")
        offset += 12 + size
    raise ImageError(f"has more than {MAX_CHUNKS:,} chunks; save it anew")


def _count(stream: ImageStream, pair: bytes) -> int:
    """Count two bytes in a file, of which one block at a time is in memory."""
    stream.seek(0)
    found, last = 0, b""
    while block := stream.read(_BLOCK):
        found += (last + block).count(pair)
        last = block[-1:]
    return found


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
    limits, free = decode_limits(), available_memory()
    if needed <= min(limits.memory, free):
        return
    has = f"{header.channels} x {header.bits} bits" if header.channels else f"{header.bits} bits"
    bound, other_way = f"{free / 2**30:.1f} are free", ""
    if limits.memory <= free:
        bound, other_way = f"allowed are {limits.memory / 2**30:g}", f", or {limits.more_memory}"
    raise TooManyPixelsError(
        f"too large: {width} x {height} pixels of {has} take {needed / 2**30:.1f} GiB to decode, {bound}; "
        f"split it into several files{other_way}"
    )
