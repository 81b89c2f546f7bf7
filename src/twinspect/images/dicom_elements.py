"""The data elements of a DICOM file (PS3.5 and PS3.10), followed without any value being read.

pydicom inflates a deflated file as soon as it opens it, so the transfer syntax is read here first.
"""

from __future__ import annotations

import struct
from typing import Final

DATA_START: Final = 132
"""Bytes before the first element: a preamble of 128, and ``DICM``."""
IMPLICIT_VR: Final = "1.2.840.10008.1.2"
"""The transfer syntax whose elements do not say the type of their value."""
PIXEL_DATA: Final = (0x7FE0, 0x0010)
_TRANSFER_SYNTAX: Final = (0x0002, 0x0010)
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_UNDEFINED: Final = 0xFFFFFFFF
_LONG_VRS: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Types of values whose length takes four bytes instead of two."""
_MOST_NESTED: Final = 32


class DicomError(ValueError):
    """The elements lead out of the file, or nest too deeply."""


def transfer_syntax(data: bytes) -> str:
    """Find how a file's elements and pixels are encoded: its transfer syntax, a UID.

    Args:
        data: the file, or its beginning.

    Raises:
        DicomError: it does not say.
    """
    position = DATA_START
    while data[position : position + 2] == b"\2\0":
        tag, start, length = _element(data, position, explicit=True)
        if tag == _TRANSFER_SYNTAX:
            return data[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")
        position = start + length
    raise DicomError("it does not say its transfer syntax")


def walk_dicom(data: bytes) -> tuple[int, tuple[int, int]]:
    """Follow the elements of a little-endian file.

    Args:
        data: the whole file.

    Returns:
        Where the last element ends, and where the pixel data's value begins and ends.

    Raises:
        DicomError: the elements lead out of the file.
    """
    explicit = transfer_syntax(data) != IMPLICIT_VR
    position, last, pixels = DATA_START, (0, 0), (len(data), len(data))
    while position + 8 <= len(data):
        tag = _tag(data, position)
        if tag <= last:  # elements are in ascending order, so this is none
            break
        _, start, length = _element(data, position, explicit=explicit or tag[0] == 2)
        position = _value_end(data, start, length, explicit=explicit, depth=0)
        if tag == PIXEL_DATA:
            pixels = (start, position)
        last = tag
    return position, pixels


def _tag(data: bytes, position: int) -> tuple[int, int]:
    group, element = struct.unpack_from("<HH", data, position)
    return group, element


def _element(data: bytes, position: int, *, explicit: bool) -> tuple[tuple[int, int], int, int]:
    """Read an element's tag, and where its value begins and how long it is."""
    tag = _tag(data, position)
    vr = data[position + 4 : position + 6]
    if not explicit or tag[0] == 0xFFFE:
        (length,) = struct.unpack_from("<I", data, position + 4)
        return tag, position + 8, length
    if vr in _LONG_VRS:
        (length,) = struct.unpack_from("<I", data, position + 8)
        return tag, position + 12, length
    (length,) = struct.unpack_from("<H", data, position + 6)
    return tag, position + 8, length


def _value_end(data: bytes, start: int, length: int, *, explicit: bool, depth: int) -> int:
    end = start + length if length != _UNDEFINED else _items_end(data, start, explicit=explicit, depth=depth)
    if end > len(data):
        raise DicomError("it is cut off")
    return end


def _items_end(data: bytes, position: int, *, explicit: bool, depth: int) -> int:
    """Follow the items of a sequence, or the fragments of compressed pixels, of undefined length."""
    if depth > _MOST_NESTED:
        raise DicomError(f"its sequences nest more than {_MOST_NESTED} deep")
    while True:
        tag, start, length = _element(data, position, explicit=explicit)
        if tag == _SEQUENCE_END:
            return start
        if tag != _ITEM:
            raise DicomError("a sequence holds something that is no item")
        if length == _UNDEFINED:
            position = _item_end(data, start, explicit=explicit, depth=depth + 1)
        else:
            position = start + length


def _item_end(data: bytes, position: int, *, explicit: bool, depth: int) -> int:
    while True:
        tag, start, length = _element(data, position, explicit=explicit)
        if tag == _ITEM_END:
            return start
        position = _value_end(data, start, length, explicit=explicit, depth=depth)
