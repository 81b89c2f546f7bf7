"""The EXIF orientation: finding it before anything is decoded, and undoing it.

Pillow reads EXIF blocks, too, but warns of damaged ones, and of a PNG that has the block behind its pixels only
after decoding them. What it turns upright are its own images, which hold no 16-bit colours.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.images.stored_pixels import ImageStream

ORIENTATION_TAG: Final = 0x0112


def exif_orientation(exif: bytes) -> int:
    """Find the orientation, 1 to 8, in an EXIF block; 1 (upright) if there is none, or the block is damaged."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", block, entry)
            if tag == ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def png_exif_after_pixels(stream: ImageStream) -> bytes:
    """Find the EXIF block of a PNG that has it behind the pixels, by skipping from chunk to chunk."""
    offset = 8
    while len(head := stream.bytes_at(offset, 8)) == 8 and head[4:] != b"IEND":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return stream.read(length)
        offset += 12 + length
    return b""


def upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF orientation: 2 to 4 mirror or turn by 180 degrees, 5 to 8 also swap the axes.

    Args:
        values: (H, W, C) as stored.
        orientation: 1 to 8.

    Returns:
        (H, W, C), or (W, H, C) for 5 to 8, contiguous.
    """
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)
