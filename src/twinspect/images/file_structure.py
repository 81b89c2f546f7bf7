"""Where an image file ends, and what it carries besides its picture.

Each format is walked by its own structure, without decoding, so that a second file hidden behind or inside the
picture is found: what an image viewer takes for a picture must not be a ZIP, a PDF or a page for others.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twinspect.images.dicom_elements import DATA_START, DicomError, walk_dicom
from twinspect.images.formats import AVIF, BMP, DICOM, HEIC, JPEG, PNG, TIFF, WEBP, ImageFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_SCANS: Final = 200
"""Scans of a progressive JPEG, each of which costs as much time as the picture is large; usual are about ten."""
MAX_SEGMENTS: Final = 10_000
"""Segments of a JPEG before its first scan, each of at most 64 KiB; usual are about ten."""
MAX_CHUNKS: Final = 100_000
"""Chunks of a PNG; pixels usually come in chunks of 8 KiB or more."""
MAX_CHUNK_BYTES: Final = 64 * 2**20
"""Bytes of a chunk that holds no pixels."""
MAX_PICTURES: Final = 100
"""Smaller pictures behind that of a JPEG."""
MAX_DIRECTORIES: Final = 64
MAX_VALUES: Final = 2_000_000
"""Strips or tiles of a TIFF in all."""

_JPEG_MARKER: Final = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""The next marker in entropy-coded data, where 0xff00 is a byte 0xff and 0xffd0 to 0xffd7 are restarts."""
_TIFF_SIZES: Final = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
"""Bytes of a value by TIFF's code of its type."""
_PIXEL_TAGS: Final = {273: 279, 324: 325, 513: 514}
"""Where pixels are, and how many bytes of them: strips, tiles, an embedded JPEG."""
_FURTHER_DIRECTORIES: Final = (330, 34665, 34853, 40965)


class DamagedError(ValueError):
    """The structure cannot be followed."""


@dataclass(frozen=True)
class FileStructure:
    """What a file consists of.

    Attributes:
        end: where the picture and all that belongs to it ends, in bytes from the start.
        extras: bytes that are not pixels: comments, profiles, padding.
        animated: whether it says that it holds several pictures.
    """

    end: int
    extras: list[bytes] = field(default_factory=list)
    animated: bool = False


def read_structure(image_format: ImageFormat, data: bytes) -> FileStructure:
    """Walk a file of a known format.

    Args:
        image_format: of the file, by its first bytes.
        data: the whole file.

    Raises:
        DamagedError: the structure leads out of the file, or does not end.
    """
    try:
        return _WALKS[image_format](data)
    except DicomError as error:
        raise DamagedError(str(error)) from None
    except (struct.error, IndexError) as error:
        raise DamagedError("it is cut off, or its structure is damaged") from error


def _png(data: bytes) -> FileStructure:
    extras, animated, position = [], False, 8
    for _ in range(MAX_CHUNKS):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise DamagedError("it is cut off")
        if name not in (b"IDAT", b"fdAT"):
            extras.append(data[position + 8 : end - 4])
        animated |= name == b"acTL"
        position = end
        if name == b"IEND":
            return FileStructure(position, extras, animated)
    raise _too_many(MAX_CHUNKS)


def _jpeg(data: bytes) -> FileStructure:
    """Walk the picture, and those that cameras put behind it (Multi-Picture Format: previews, depth)."""
    extras: list[bytes] = []
    end = _one_jpeg(data, 0, extras)
    for _ in range(MAX_PICTURES):
        start = _after_zeros(data, end)
        if not data.startswith(b"\xff\xd8\xff", start):
            return FileStructure(end, extras)
        end = _one_jpeg(data, start, extras)
    raise _too_many(MAX_PICTURES)


def _one_jpeg(data: bytes, position: int, extras: list[bytes]) -> int:
    position += 2
    scans = 0
    while True:
        match = _JPEG_MARKER.match(data, position)
        if match is None:
            raise DamagedError("its structure is damaged, or it is cut off")
        position, marker = match.end(), data[match.end() - 1]
        if marker == 0xD9:
            return position
        (length,) = struct.unpack_from(">H", data, position)
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            extras.append(data[position + 2 : position + length])
            _check_count(extras)
        position += length
        if marker == 0xDA:
            scans += 1
            position = _end_of_scan(data, position, scans)


def _end_of_scan(data: bytes, position: int, scans: int) -> int:
    if scans > MAX_SCANS:
        raise DamagedError(f"it has more than {MAX_SCANS} scans; save it anew")
    match = _JPEG_MARKER.search(data, position)
    if match is None:
        raise DamagedError("it is cut off")
    return match.start()


def _check_count(extras: list[bytes]) -> None:
    if len(extras) > MAX_SEGMENTS:
        raise _too_many(MAX_SEGMENTS)


def _too_many(allowed: int) -> DamagedError:
    return DamagedError(f"it consists of more than {allowed:,} parts; save it anew")


def _after_zeros(data: bytes, position: int) -> int:
    """Skip padding."""
    match = re.compile(rb"[^\x00]").search(data, position)
    return match.start() if match else len(data)


def _webp(data: bytes) -> FileStructure:
    (size,) = struct.unpack_from("<I", data, 4)
    end, position, extras, animated = 8 + size + size % 2, 12, [], False
    if 8 + size > len(data):
        raise DamagedError("it is cut off")
    while position + 8 <= 8 + size:
        name, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        if name not in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF"):
            extras.append(body)
            _check_count(extras)
        animated |= name in (b"ANIM", b"ANMF")
        position += 8 + length + length % 2
    if position > end:
        raise DamagedError("a part of it is larger than the whole")
    return FileStructure(min(end, len(data)), extras, animated)


def _bmp(data: bytes) -> FileStructure:
    start, header = struct.unpack_from("<II", data, 10)
    if header < 12 or start < 14 + header:
        raise DamagedError("its header is damaged")
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression, stated_size = 0, 0
    else:
        width, height, _, bits, compression, stated_size = struct.unpack_from("<iiHHII", data, 18)
    packed = compression in (1, 2, 4, 5)  # run lengths, or a JPEG or PNG inside
    end = start + (stated_size if packed else (abs(width) * bits + 31) // 32 * 4 * abs(height))
    if header == 124:
        offset, length = struct.unpack_from("<II", data, 14 + 112)
        end = max(end, 14 + offset + length if length else 0)
    return FileStructure(end, [data[14:start], data[start:end] if packed else b""])


def _boxes(data: bytes) -> FileStructure:
    """Walk the boxes of ISO 14496-12, of which HEIC and AVIF consist."""
    extras, animated, position = [], False, 0
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        if not (name.isalnum() and name.islower()):  # not one of theirs
            break
        end = position + length if length else len(data)
        if end > len(data) or end < start:
            raise DamagedError("it is cut off, or its structure is damaged")
        if name != b"mdat":
            extras.append(data[start:end])
            _check_count(extras)
        animated |= name == b"moov"
        position = end
    return FileStructure(position, extras, animated)


def _dicom(data: bytes) -> FileStructure:
    if data[: DATA_START - 4].strip(b"\0"):
        raise DamagedError("its first 128 bytes, which should be 0, hold something else")
    end, (pixels_start, pixels_end) = walk_dicom(data)
    return FileStructure(end, [data[:pixels_start], data[pixels_end:end]])


def _tiff(data: bytes) -> FileStructure:
    walk = _TiffWalk(data)
    walk.follow()
    return FileStructure(walk.end, walk.extras())


class _TiffWalk:
    """Follows the directories of a TIFF or BigTIFF, and notes which bytes belong to anything."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data[:2] == b"II" else ">"
        self._big = b"+" in data[2:4]
        self._word = "Q" if self._big else "I"
        self._pixels: list[tuple[int, int]] = []
        self._spans: list[tuple[int, int]] = [(0, 16 if self._big else 8)]
        self._values_read = 0

    @property
    def end(self) -> int:
        """Where the last byte that belongs to anything ends."""
        return max(stop for _, stop in self._spans + self._pixels)

    def follow(self) -> None:
        """Visit every directory once.

        Raises:
            DamagedError: there are too many, or one leads out of the file.
        """
        waiting, visited = [self._read(self._word, 8 if self._big else 4)[0]], set[int]()
        while waiting:
            offset = waiting.pop()
            if not offset or offset in visited:
                continue
            visited.add(offset)
            if len(visited) > MAX_DIRECTORIES:
                raise DamagedError(f"it has more than {MAX_DIRECTORIES} directories")
            waiting += self._directory(offset)

    def extras(self) -> list[bytes]:
        """Everything that is not pixels, joined where it lies side by side."""
        extras, position = [], 0
        for start, stop in sorted(self._pixels):
            if start > position:
                extras.append(self._data[position:start])
            position = max(position, stop)
        return [*extras, self._data[position:]]

    def _directory(self, offset: int) -> list[int]:
        (count,) = self._read("Q" if self._big else "H", offset)
        step, first = (20, offset + 8) if self._big else (12, offset + 2)
        if count > 4096:
            raise DamagedError(f"a directory has {count} entries")
        tags = dict(self._entry(first + number * step) for number in range(count))
        following = first + count * step
        self._spans.append((offset, following + struct.calcsize(self._word)))
        for start_tag, length_tag in _PIXEL_TAGS.items():
            starts, lengths = tags.get(start_tag, ()), tags.get(length_tag, ())
            self._pixels += [(start, start + length) for start, length in zip(starts, lengths, strict=False)]
        if any(stop > len(self._data) for _, stop in self._pixels + self._spans):
            raise DamagedError("it is cut off")
        further = [value for tag in _FURTHER_DIRECTORIES for value in tags.get(tag, ())]
        return [*self._read(self._word, following), *further]

    def _entry(self, offset: int) -> tuple[int, tuple[int, ...]]:
        """Read an entry of a directory: its tag, and its values if they say where something lies."""
        tag, code = self._read("HH", offset)
        (count,) = self._read(self._word, offset + 4)
        size, room = _TIFF_SIZES.get(code, 1) * count, struct.calcsize(self._word)
        values_at = offset + 4 + room
        if size > room:
            (values_at,) = self._read(self._word, values_at)
            self._spans.append((values_at, values_at + size))
        says_where = tag in (*_PIXEL_TAGS, *_PIXEL_TAGS.values(), *_FURTHER_DIRECTORIES)
        letter = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(code)
        if not says_where or letter is None:
            return tag, ()
        self._values_read += count
        if self._values_read > MAX_VALUES:
            raise DamagedError(f"it has more than {MAX_VALUES} parts")
        return tag, self._read(f"{count}{letter}", values_at)

    def _read(self, layout: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self._order + layout, self._data, offset)


_WALKS: Final[dict[ImageFormat, Callable[[bytes], FileStructure]]] = {
    PNG: _png,
    JPEG: _jpeg,
    WEBP: _webp,
    BMP: _bmp,
    TIFF: _tiff,
    AVIF: _boxes,
    HEIC: _boxes,
    DICOM: _dicom,
}


# ------------------------------------------------------------------------------------------- foreign content

_MARKS_ANYWHERE: Final = (b"<script", b"<!doctype", b"<iframe", b"javascript:")
"""Long enough never to be there by chance, in pixels either; compared in lower case."""
_MARKS_IN_FRONT: Final = (b"%pdf-", b"<html", b"<body", b"<?php", b"<svg ")
"""What readers of other formats look for in the first kilobyte."""
_MARKS_IN_EXTRAS: Final = (b"%pdf-", b"<html", b"<?php", b"<svg ", b"rar!\x1a\x07", b"7z\xbc\xaf'\x1c")


def foreign_content(data: bytes, structure: FileStructure) -> str | None:
    """Say what else a file is, besides an image; ``None`` if nothing was found."""
    if _after_zeros(data, structure.end) < len(data):
        return f"{len(data) - structure.end} bytes follow the picture"
    lowered = data.lower()
    for mark in _marks_in(_MARKS_ANYWHERE, [lowered]):
        return f"it holds {mark!r}"
    for mark in _marks_in(_MARKS_IN_FRONT, [lowered[:1024]]):
        return f"it holds {mark!r} in its first kilobyte"
    for mark in _marks_in(_MARKS_IN_EXTRAS, [part.lower() for part in structure.extras]):
        return f"beside its pixels it holds {mark!r}"
    return "it is a ZIP archive as well" if _is_archive(data) else None


def _marks_in(marks: tuple[bytes, ...], parts: list[bytes]) -> Iterator[bytes]:
    return (mark for part in parts for mark in marks if mark in part)


def _is_archive(data: bytes) -> bool:
    """Whether a ZIP reader, which begins at the end, would find its directory."""
    end_record = data.rfind(b"PK\x05\x06", max(0, len(data) - 65557))
    if end_record < 0 or end_record + 22 > len(data):
        return False
    (size,) = struct.unpack_from("<I", data, end_record + 12)
    return size <= end_record and (size == 0 or data.startswith(b"PK\x01\x02", end_record - size))
