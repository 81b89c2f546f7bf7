"""Decoding HEIC, the photographs of many phones, with libheif."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect.errors import ImageError, optional
from twinspect.images.formats import HEIC
from twinspect.images.stored_pixels import Header, StoredPixels

if TYPE_CHECKING:
    from twinspect.images.stored_pixels import ImageStream


def read_heic_header(stream: ImageStream) -> Header:
    """Read the size of the picture, upright: HEIC's own rotation is undone by the decoder, and counts, not EXIF's."""
    file = _open(stream)
    width, height = file[file.primary_index].size
    return Header(HEIC, (height, width), frames=len(file), lossy=True)


def decode_heic(stream: ImageStream, header: Header) -> StoredPixels:
    """Decode the picture to 8 bits, whatever it has.

    Args:
        stream: the file.
        header: of the file.
    """
    file = _open(stream)
    picture = file[file.primary_index]
    values = np.array(picture)
    if values.shape[:2] != header.size:
        raise ImageError(
            f"its picture is {values.shape[:2]} pixels high and wide, its header says {header.size}"
        )
    if picture.mode == "RGBa":  # multiplied by their alpha, colours already look as they do on black
        values = values[..., :-1]
    return StoredPixels(np.ascontiguousarray(values if values.ndim == 3 else values[..., None]), 255)


def _open(stream: ImageStream) -> Any:
    """Open a file; only the picture itself matters, not its previews and depth maps."""
    stream.seek(0)
    heif = optional("pi_heif", "formats")
    return heif.open_heif(stream.read(), convert_hdr_to_8bit=True)
