"""Decoding 16-bit channels to every one of their bits, of which Pillow's colour images hold the higher eight."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.images.formats import PNG
from twinspect.images.pillow_decoder import open_with_pillow, to_array
from twinspect.images.stored_pixels import StoredPixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL import ImageFile

    from twinspect.images.stored_pixels import Header, ImageStream

_OTHER_BYTE: Final = {
    "B": "L",
    "L": "B",
    "N": "B" if sys.byteorder == "little" else "L",
}
"""The letter of the other byte order, at the end of Pillow's raw modes; N is the machine's own."""


def decode_png16(stream: ImageStream, header: Header) -> StoredPixels:
    """Decode a 16-bit PNG, as stored."""

    def image() -> ImageFile.ImageFile:
        return open_with_pillow(stream, PNG)

    transparent_colour = image().info.get("transparency")
    if header.channels == 1:
        values = to_array(image()).astype(np.uint16)
    elif header.channels == 2:
        # Read the four bytes of a pixel as if they were RGBA: Pillow has no grey with alpha of 16 bits.
        raw = to_array(with_raw_modes(image(), lambda _: "RGBA"))
        values = raw.view(np.dtype(">u2")).astype(np.uint16)
    else:
        values = decode_both_bytes(image)
    if transparent_colour is not None:
        visible = (values != np.asarray(transparent_colour)).any(axis=-1, keepdims=True)
        values = np.concatenate([values, np.where(visible, 65535, 0).astype(np.uint16)], axis=-1)
    return StoredPixels(values, 65535)


def decode_both_bytes(image: Callable[[], ImageFile.ImageFile]) -> NDArray[np.uint16]:
    """Decode 16-bit colour twice, once for the high byte and once for the low one.

    Pillow stores eight bits a colour channel and keeps the high byte of a wider one. Told that the file has
    the other byte order it keeps the low byte.

    Args:
        image: opens the file, each time anew.

    Returns:
        (H, W, C).
    """
    high = to_array(image()).astype(np.uint16)
    low = to_array(with_raw_modes(image(), lambda mode: mode[:-1] + _OTHER_BYTE[mode[-1]]))
    high <<= 8
    high |= low
    return high


def with_raw_modes(image: ImageFile.ImageFile, change: Callable[[str], str]) -> ImageFile.ImageFile:
    """Tell a Pillow image, not yet decoded, that its bytes are laid out otherwise."""

    def changed(tile: Any) -> Any:
        args = tile[3]
        new = change(args) if isinstance(args, str) else (change(args[0]), *args[1:])
        # Pillow 11 made tiles named tuples; before they were plain ones.
        return tile._replace(args=new) if hasattr(tile, "_replace") else (*tile[:3], new)

    image.tile = [changed(tile) for tile in image.tile]
    return image
