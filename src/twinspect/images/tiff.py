"""Decoding TIFF: Pillow where it keeps every bit, tifffile for the header and for the layouts left over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import COMPRESSION_INFO

from twinspect.errors import ImageError, optional
from twinspect.images.formats import TIFF
from twinspect.images.orientation import ORIENTATION_TAG, upright
from twinspect.images.pillow_decoder import eight_bit_values, open_with_pillow, to_array
from twinspect.images.sixteen_bit import decode_both_bytes, with_raw_modes
from twinspect.images.stored_pixels import UNSIGNED, Header, StoredPixels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import ImageFile

    from twinspect.images.stored_pixels import ImageStream

_FLOAT: Final = 3
_SAMPLE_FORMATS: Final = {UNSIGNED: "unsigned", 2: "signed", _FLOAT: "float"}
_ASSOCIATED_ALPHA: Final = 1
"""TIFF's code of an extra channel by which the colours have been multiplied, so that they look as on black."""
_JPEG: Final = frozenset({6, 7})
_BYTE_COMPRESSIONS: Final = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""None, LZW, Deflate, PackBits, LZMA and Zstandard: decompressed to as many bytes as the header says.

Images inside a TIFF, such as JPEG 2000, say their size again, and tifffile would believe them.
"""


def read_tiff_header(stream: ImageStream) -> Header:
    """Read the first directory of a TIFF, and whether further ones hold pictures of their own."""
    stream.seek(0)
    with _tifffile().TiffFile(stream) as tiff:
        page: Any = tiff.pages[0]
        header = Header(
            TIFF,
            (page.imagelength, page.imagewidth),
            orientation=int(page.tags.valueof(ORIENTATION_TAG, 1)),
            bits=int(np.max(page.bitspersample)),
            channels=int(page.samplesperpixel),
            sample_format=int(np.max(page.sampleformat)),
            photometric=int(page.photometric),
            extra=int(page.extrasamples[0]) if page.extrasamples else None,
            planar=int(page.planarconfig) == 2,
            compression=int(page.compression),
            lossy=int(page.compression) in _JPEG,
        )
        return replace(header, frames=1 + _has_second_picture(tiff.pages))


def _tifffile() -> Any:
    """Import tifffile, which most data sets don't need, and which an installation without torch may lack."""
    return optional("tifffile", "formats")


def decode_tiff(stream: ImageStream, header: Header, *, indices: bool) -> StoredPixels:
    """Decode a TIFF, upright.

    Args:
        stream: the file.
        header: of the file.
        indices: give the entry numbers of a palette image instead of its colours.
    """
    _check_layout(header)
    if header.bits <= 8:
        return StoredPixels(_eight_bit_values(stream, header, indices=indices), 255)
    full = 1 if header.sample_format == _FLOAT else 2**header.bits - 1
    values = _deep_with_pillow(stream, header)
    if values is None:
        values = upright(_with_tifffile(stream, header), header.orientation)
    if header.photometric == 0:
        values = full - values
    return StoredPixels(values, full)


def _eight_bit_values(stream: ImageStream, header: Header, *, indices: bool) -> NDArray[np.uint8]:
    image = _open_upright(stream, header)
    if header.extra != _ASSOCIATED_ALPHA or image.mode not in ("RGBA", "La"):
        return eight_bit_values(image, indices=indices)
    # Pillow would divide by the alpha, and lose every colour where that is 0.
    image = with_raw_modes(image, lambda mode: mode.replace("RGBa", "RGBA"))
    return np.ascontiguousarray(to_array(image)[..., :-1])


def _has_second_picture(pages: Any) -> bool:
    """Whether a page after the first is more than a thumbnail, a smaller copy or a transparency mask."""
    first = pages[0]
    for page in (pages[index] for index in range(1, len(pages))):
        smaller = page.imagelength * page.imagewidth < first.imagelength * first.imagewidth
        if not smaller and not page.subfiletype & 0b101:
            return True
    return False


def _check_layout(header: Header) -> None:
    if header.compression not in COMPRESSION_INFO:
        raise _compression_error(header)
    bits, is_float = header.bits, header.sample_format == _FLOAT
    if header.sample_format not in (UNSIGNED, _FLOAT) or (bits > 16 and not is_float):
        numbers = f"{bits}-bit {_SAMPLE_FORMATS.get(header.sample_format, 'complex')} numbers"
        raise ImageError(f"holds {numbers}; allowed are unsigned 1 to 16 bits, or float from 0 to 1")
    if bits > 8 and header.photometric not in (0, 1, 2):
        raise ImageError(f"its {bits}-bit colours are not grey or RGB; save it as RGB")
    if bits > 8 and header.channels > 4:
        raise ImageError(
            f"has {header.channels} channels; allowed are 1 to 4: grey or RGB, with or without alpha"
        )


def _compression_error(header: Header) -> ImageError:
    return ImageError(
        f"its TIFF compression, number {header.compression}, is not supported; save it with LZW"
    )


def _open_upright(stream: ImageStream, header: Header) -> ImageFile.ImageFile:
    """Open a TIFF with Pillow, which turns it upright by itself while it decodes."""
    image = open_with_pillow(stream, TIFF)
    # With a canvas at hand Pillow does not judge the size again, by its own limit and with a warning.
    image.im = Image.new(image.mode, header.size[::-1]).im
    return image


def _deep_with_pillow(stream: ImageStream, header: Header) -> NDArray[Any] | None:
    """Decode more than 8 bits a channel with Pillow, which knows the usual compressions.

    Returns:
        (H, W, C) uint16 or float32, upright; ``None`` for a layout of which Pillow would lose bits.
    """
    several_floats = header.sample_format == _FLOAT and header.channels > 1
    if header.planar or header.channels == 2 or header.extra == _ASSOCIATED_ALPHA or several_floats:
        return None
    try:
        mode = open_with_pillow(stream, TIFF).mode
    except SyntaxError:  # Pillow's word for a layout that it does not know
        return None
    if mode == "F":
        return to_array(_open_upright(stream, header))
    if mode.startswith("I;16"):
        return to_array(_open_upright(stream, header)).astype(np.uint16)
    return decode_both_bytes(lambda: _open_upright(stream, header)) if mode in ("RGB", "RGBA") else None


def _with_tifffile(stream: ImageStream, header: Header) -> NDArray[Any]:
    """Decode what Pillow would not.

    Returns:
        (H, W, C), not turned upright.
    """
    if header.compression not in _BYTE_COMPRESSIONS:
        raise _compression_error(header)
    values = _first_page(stream)
    if values.ndim == 2:
        values = values[..., None]
    elif header.planar:
        values = np.moveaxis(values, 0, -1)
    if values.shape != (*header.size, header.channels):
        raise ImageError(
            f"its pixels come as {values.shape}, its header says {(*header.size, header.channels)}"
        )
    colours = 3 if header.photometric == 2 else 1
    # Associated alpha has done its work already; other extras mean nothing here.
    has_alpha = header.extra == 2 or (header.extra is None and header.channels > colours)
    return values[..., : colours + has_alpha]


def _first_page(stream: ImageStream) -> NDArray[Any]:
    stream.seek(0)
    try:
        with _tifffile().TiffFile(stream) as tiff:
            values: NDArray[Any] = tiff.pages[0].asarray()
    except (ValueError, KeyError, NotImplementedError) as error:
        if "imagecodecs" in str(error):  # which tifffile needs for LZW and others
            optional("imagecodecs", "formats")
        raise
    return values
