"""From an image file to the values stored in it: one way in for every format, bit depth and orientation.

The header is judged before anything is decoded.
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError
from twinspect.images.decode_bounds import check_directories, check_memory, check_scans, check_segments
from twinspect.images.decode_limits import decode_limits
from twinspect.images.dicom import decode_dicom, read_dicom_header
from twinspect.images.formats import (
    AVIF,
    DICOM,
    FORMAT_NAMES,
    HEIC,
    JPEG,
    PNG,
    SIGNATURE_BYTES,
    TIFF,
    WEBP,
    detect_format,
)
from twinspect.images.heic import decode_heic, read_heic_header
from twinspect.images.orientation import exif_orientation, png_exif_after_pixels, upright
from twinspect.images.pillow_decoder import eight_bit_values, is_lossless_webp, open_with_pillow, webp_size
from twinspect.images.sixteen_bit import decode_png16
from twinspect.images.stored_pixels import UNSIGNED, Header, ImageStream, StoredPixels
from twinspect.images.tiff import decode_tiff, read_tiff_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinspect.images.formats import ImageFormat

MAX_PIXELS: Final = 200_000_000
"""The largest image that is read, in pixels; a larger header is refused before anything is decoded."""

for _library in ("PIL", "pydicom", "tifffile"):
    # What they say of a damaged file is no use to whoever sees the terminal: our error names the file. Without a
    # handler it would be printed there; an application's own handlers still get it.
    logging.getLogger(_library).addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module=rf"{_library}\.")

_HEADERS: Final = {TIFF: read_tiff_header, HEIC: read_heic_header, DICOM: read_dicom_header}
"""What reads the header, where it is not Pillow."""


def stored_size(path: Path, content: bytes | None = None) -> tuple[int, int]:
    """Read (height, width) of the upright image from the header, without decoding.

    Args:
        path: the file.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.

    Raises:
        ImageError: the file is missing, not an image, or larger than ``MAX_PIXELS``.
    """
    with opened(path, content) as (stream, image_format):
        header = judged_header(stream, image_format)
    height, width = header.size
    return (width, height) if header.orientation >= 5 else (height, width)


def stored_bits(path: Path | str, content: bytes | None = None) -> int | None:
    """Read the bits a channel from the header, without decoding; ``None`` for numbers that are not unsigned.

    Args:
        path: the file.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.

    Raises:
        ImageError: as for :func:`stored_size`.
    """
    with opened(path, content) as (stream, image_format):
        header = judged_header(stream, image_format)
    return header.bits if header.sample_format == UNSIGNED else None


def decode(
    path: Path | str, *, indices: bool = False, content: bytes | None = None, max_pixels: int = MAX_PIXELS
) -> StoredPixels:
    """Decode one file in this process to the values that it stores, upright.

    Args:
        path: the file; its contents decide the format, not its suffix.
        indices: give the entry numbers of a palette image instead of its colours.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.
        max_pixels: the largest image to decode.

    Raises:
        ImageError: the file cannot be read as one image; the message is one line that starts with the path.
    """
    with opened(path, content) as (stream, image_format):
        return decode_opened(stream, judged_header(stream, image_format, max_pixels), indices=indices)


def decode_opened(stream: ImageStream, header: Header, *, indices: bool) -> StoredPixels:
    """Decode a file that is open, and whose header has been judged."""
    if header.frames > 1:
        message = f"this {header.format.name} holds several pictures; allowed is one: save it as its own file"
        raise SeveralPicturesError(message)
    stream.pixels_needed = True
    return replace(_decode(stream, header, indices=indices), lossy=header.lossy)


@contextmanager
def opened(
    path: Path | str, content: bytes | None = None, image_format: ImageFormat | None = None
) -> Iterator[tuple[ImageStream, ImageFormat]]:
    """Open a file and detect its format; whatever the block raises becomes one line that starts with the path.

    Args:
        path: the file.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.
        image_format: of the file, if it has been detected already.

    Raises:
        ImageError: the file cannot be read.
    """
    try:
        _check_file(Path(path), content)
        raw = io.FileIO(path, "rb") if content is None else io.BytesIO(content)
        # A BytesIO has all that a buffered reader asks of a raw file.
        with ImageStream(cast("io.RawIOBase", raw)) as stream:
            image_format = image_format or _detect(stream)
            yield stream, image_format
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from None
    except MemoryError:
        raise TooManyPixelsError(f"{path}: {decode_limits().out_of_memory}") from None
    except Exception as error:
        detail = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        kind = image_format.name if image_format else "image"
        raise ImageError(
            f"{path}: cannot be read as {kind}: {detail}; allowed are whole {FORMAT_NAMES} files"
        ) from error


def judged_header(stream: ImageStream, image_format: ImageFormat, max_pixels: int = MAX_PIXELS) -> Header:
    """Read a header, and refuse by it what would take too long or too much memory to decode.

    Args:
        stream: the file.
        image_format: of the file.
        max_pixels: the largest image to decode.

    Raises:
        ImageError: the file is refused; other errors are the decoder's.
    """
    check_segments(stream, image_format)
    if image_format is TIFF:
        check_directories(stream)
    header = _read_header(stream, image_format, max_pixels)
    _check_pixels(header.size, max_pixels)
    check_memory(header)
    if image_format is JPEG:
        check_scans(stream, header)
    return header


def _check_file(path: Path, content: bytes | None) -> None:
    if content is not None:
        return _check_length(len(content))
    if path.is_dir():
        raise ImageError("is a folder; an image file is needed")
    if not path.exists():
        raise ImageError("no such file")
    if not path.is_file():  # opening a pipe or a device could wait for ever
        raise ImageError("is not a regular file; an image file is needed")
    return _check_length(path.stat().st_size)


def _check_length(size: int) -> None:
    if size == 0:
        raise ImageError(f"is empty (0 bytes); allowed are {FORMAT_NAMES}")
    limits = decode_limits()
    if size > limits.memory:  # some decoders want the whole file
        raise ImageError(f"has {size:,} bytes; allowed are at most {limits.memory:,}; {limits.more_memory}")


def _detect(stream: ImageStream) -> ImageFormat:
    start = stream.read(SIGNATURE_BYTES)
    image_format = detect_format(start)
    if image_format is None:
        raise ImageError(
            f"is not an image that can be read: it starts with {start[:12]!r}; allowed are {FORMAT_NAMES}"
        )
    return image_format


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    height, width = size
    if height * width > max_pixels:
        sizes = f"{width} x {height} pixels are {height * width:,}, allowed are at most {max_pixels:,}"
        raise TooManyPixelsError(f"too large: {sizes}; split it into several files")


def _read_header(stream: ImageStream, image_format: ImageFormat, max_pixels: int) -> Header:
    if image_format in _HEADERS:
        return _HEADERS[image_format](stream)
    if (
        image_format is WEBP
    ):  # Pillow's decoder reserves the canvas as soon as it opens, so the size comes first
        _check_pixels(webp_size(stream), max_pixels)
    image = open_with_pillow(stream, image_format)
    exif = image.info.get("exif") or (png_exif_after_pixels(stream) if image_format is PNG else b"")
    header = Header(
        image_format,
        (image.height, image.width),
        orientation=exif_orientation(exif),
        frames=getattr(image, "n_frames", 1),
        channels=len(image.getbands()),
        lossy=image_format in (JPEG, AVIF) or (image_format is WEBP and not is_lossless_webp(stream)),
    )
    return _with_png_depth(stream, header) if image_format is PNG else header


def _with_png_depth(stream: ImageStream, header: Header) -> Header:
    """Add bits and channels, which Pillow does not keep."""
    bits, colour_type = stream.bytes_at(24, 2)
    return replace(header, bits=bits, channels={0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type])


def _decode(stream: ImageStream, header: Header, *, indices: bool) -> StoredPixels:
    if header.format is TIFF:
        return decode_tiff(stream, header, indices=indices)
    if header.format is HEIC:
        return decode_heic(stream, header)
    if header.format is DICOM:
        return decode_dicom(stream, header)
    if header.bits == 16:
        stored = decode_png16(stream, header)
    else:
        image = open_with_pillow(stream, header.format)
        stored = StoredPixels(eight_bit_values(image, indices=indices), 255)
    return replace(stored, values=upright(stored.values, header.orientation))
