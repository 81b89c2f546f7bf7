"""From an image file to the values stored in it: one decoder for every format, bit depth and orientation.

Pillow does the decoding wherever it keeps every bit. It is driven through its format classes instead of
``Image.open``, so that ``MAX_PIXELS`` is judged before anything is decoded, and neither Pillow's process-wide
settings (``MAX_IMAGE_PIXELS``, ``LOAD_TRUNCATED_IMAGES``) nor its warnings take part: many threads may read
at once.
"""

from __future__ import annotations

import io
import struct
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

MAX_PIXELS: Final = 200_000_000
"""The largest image that is read, in pixels; a larger header is refused before anything is decoded."""

KINDS: Final = "PNG, JPEG, TIFF, BMP, WebP"


class _Jpeg(JpegImageFile):
    """A JPEG whose EXIF block Pillow leaves alone: it would look for a resolution there, and warn."""

    def getexif(self) -> Image.Exif:
        return Image.Exif()


_CLASSES: Final[dict[str, type[ImageFile.ImageFile]]] = {
    "PNG": PngImageFile,
    "JPEG": _Jpeg,
    "TIFF": TiffImageFile,
    "BMP": BmpImageFile,
    "WebP": WebPImageFile,
}
_MAGIC: Final = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
    b"BM": "BMP",
}
_ORIENTATION: Final = 0x0112
_UNSIGNED, _FLOAT = 1, 3
_SAMPLE_FORMATS: Final = {_UNSIGNED: "unsigned", 2: "signed", _FLOAT: "float"}
_OTHER_BYTE: Final = {
    "B": "L",
    "L": "B",
    "N": "B" if sys.byteorder == "little" else "L",
}


@dataclass(frozen=True)
class Stored:
    """The values of one image, upright, before they become colours or a mask.

    Attributes:
        values: (H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; uint8, uint16 or floating.
        full: the value that stands for full brightness: 255, 65535, 4095 of a 12-bit file, 1 of a float file.
        lossy: whether the compression may have changed the values.
    """

    values: NDArray[Any]
    full: int
    lossy: bool = False


@dataclass(frozen=True)
class _Header:
    """What the first bytes say.

    Attributes:
        kind: one of ``KINDS``.
        size: (height, width) as stored, before any rotation.
        orientation: EXIF orientation, 1 to 8.
        frames: how many full-size pictures the file holds; more than one is not counted further.
        bits: bits a channel.
        channels: channels a pixel, as stored.
        sample_format: TIFF's code: 1 unsigned, 2 signed, 3 float.
        photometric: TIFF's code: 0 white is zero, 1 black is zero, 2 RGB; ``None`` for other files.
        extra: TIFF's code of the channel after the colours: 2 is alpha; ``None`` if it does not say.
        planar: whether a TIFF stores one channel after the other.
        lossy: see ``Stored``.
    """

    kind: str
    size: tuple[int, int]
    orientation: int = 1
    frames: int = 1
    bits: int = 8
    channels: int = 0
    sample_format: int = _UNSIGNED
    photometric: int | None = None
    extra: int | None = None
    planar: bool = False
    lossy: bool = False


class _CutOffError(OSError):
    """The file ended while pixels were still missing."""


class _WholeFile(io.BufferedReader):
    """A file that raises where it ends too early, where Pillow may have been told to go on with grey."""

    complete = False

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self.complete and not data and size != 0:
            raise _CutOffError("it is cut off before its last pixel")
        return data


def stored_size(path: Path, content: bytes | None = None) -> tuple[int, int]:
    """Read (height, width) of the upright image from the header, without decoding.

    Args:
        path: the file.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.

    Raises:
        ImageError: the file is missing, no image, or more than ``MAX_PIXELS``.
    """
    with _opened(path, content) as (_, header):
        height, width = header.size
    return (width, height) if header.orientation >= 5 else (height, width)


def stored_values(path: Path | str, *, indices: bool = False, content: bytes | None = None) -> Stored:
    """Decode one file to the values it stores, upright.

    Args:
        path: the file; its contents decide the format, not its suffix.
        indices: give the entry numbers of a palette image instead of its colours.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.

    Raises:
        ImageError: the file cannot be read as one image; the message is one line that starts with the path.
    """
    with _opened(path, content) as (stream, header):
        if header.frames > 1:
            message = f"this {header.kind} holds several pictures; allowed is one: save it as its own file"
            raise SeveralPicturesError(message)
        stream.complete = True
        stored = _decode(stream, header, indices=indices)
    return replace(stored, lossy=header.lossy)


# ---------------------------------------------------------------------------------------------- opening


@contextmanager
def _opened(path: Path | str, content: bytes | None = None) -> Iterator[tuple[_WholeFile, _Header]]:
    """Open a file, judge its header, and turn whatever a decoder raises into one line."""
    kind = "image"
    try:
        with _WholeFile(_raw(path, content)) as stream:
            kind = _kind(stream.read(16))
            yield stream, _checked(_read_header(stream, kind))
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from None
    except Exception as error:
        detail = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        raise ImageError(
            f"{path}: cannot be read as {kind}: {detail}; allowed are whole {KINDS} files"
        ) from error


def _raw(path: Path | str, content: bytes | None) -> io.RawIOBase:
    """Give the bytes of a file, wherever they are."""
    if content is None:
        _check_file(Path(path))
        return io.FileIO(path, "rb")
    _check_length(len(content))
    return cast("io.RawIOBase", io.BytesIO(content))  # it has all that a buffered reader asks of a raw file


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ImageError("is a folder; an image file is needed")
    if not path.exists():
        raise ImageError("no such file")
    if not path.is_file():  # opening a pipe or a device could wait for ever
        raise ImageError("is not a regular file; an image file is needed")
    _check_length(path.stat().st_size)


def _check_length(size: int) -> None:
    if size == 0:
        raise ImageError(f"is empty (0 bytes); allowed are {KINDS}")


def _kind(start: bytes) -> str:
    """Name the format by the file's first bytes."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    raise ImageError(f"is no image that can be read: it starts with {start[:12]!r}; allowed are {KINDS}")


def _checked(header: _Header) -> _Header:
    height, width = header.size
    if height * width > MAX_PIXELS:
        sizes = f"{width} x {height} pixels are {height * width:,}, allowed are at most {MAX_PIXELS:,}"
        raise TooManyPixelsError(f"too large: {sizes}; cut the image into tiles")
    return header


# ---------------------------------------------------------------------------------------------- headers


def _read_header(stream: _WholeFile, kind: str) -> _Header:
    if kind == "TIFF":
        return _tiff_header(stream)
    if kind == "WebP":  # Pillow's decoder reserves the canvas as soon as it opens, so the size comes first
        _checked(_Header(kind, _webp_size(stream)))
    image = _open_with_pillow(stream, kind)
    header = _Header(
        kind,
        (image.height, image.width),
        orientation=_exif_orientation(image.info.get("exif") or _late_exif(stream, kind)),
        frames=getattr(image, "n_frames", 1),
        lossy=kind == "JPEG" or (kind == "WebP" and not _is_lossless_webp(stream)),
    )
    return _with_png_depth(stream, header) if kind == "PNG" else header


def _open_with_pillow(stream: _WholeFile, kind: str) -> ImageFile.ImageFile:
    stream.seek(0)
    return _CLASSES[kind](stream)


def _with_png_depth(stream: _WholeFile, header: _Header) -> _Header:
    """Add bits and channels, which Pillow does not keep."""
    start = _bytes_at(stream, 24, 2)
    return replace(header, bits=start[0], channels={0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[start[1]])


def _bytes_at(stream: _WholeFile, offset: int, count: int) -> bytes:
    stream.seek(offset)
    return stream.read(count)


def _webp_size(stream: _WholeFile) -> tuple[int, int]:
    """Read (height, width) from the first chunk of a WebP file."""
    start = _bytes_at(stream, 0, 30).ljust(30, b"\0")
    chunk = start[12:16]
    if chunk == b"VP8X":
        return int.from_bytes(start[27:30], "little") + 1, int.from_bytes(start[24:27], "little") + 1
    if chunk == b"VP8L":
        packed = int.from_bytes(start[21:25], "little")
        return (packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1
    return int.from_bytes(start[28:30], "little") & 0x3FFF, int.from_bytes(start[26:28], "little") & 0x3FFF


def _is_lossless_webp(stream: _WholeFile) -> bool:
    return _bytes_at(stream, 12, 4) == b"VP8L"


def _late_exif(stream: _WholeFile, kind: str) -> bytes:
    """Find the EXIF block of a PNG that has it behind the pixels, by skipping from chunk to chunk."""
    offset = 8
    while kind == "PNG" and len(head := _bytes_at(stream, offset, 8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return stream.read(length)
        offset += 12 + length
    return b""


def _exif_orientation(exif: bytes) -> int:
    """Find the orientation in an EXIF block; 1 (upright) if there is none, or the block is damaged."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", block, entry)
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def _tiff_header(stream: _WholeFile) -> _Header:
    # Imported here because most data sets have no TIFF.
    from tifffile import TiffFile  # noqa: PLC0415

    stream.seek(0)
    with TiffFile(stream) as tiff:
        page: Any = tiff.pages[0]
        header = _Header(
            "TIFF",
            (page.imagelength, page.imagewidth),
            orientation=int(page.tags.valueof(_ORIENTATION, 1)),
            bits=int(np.max(page.bitspersample)),
            channels=int(page.samplesperpixel),
            sample_format=int(np.max(page.sampleformat)),
            photometric=int(page.photometric),
            extra=int(page.extrasamples[0]) if page.extrasamples else None,
            planar=int(page.planarconfig) == 2,
            lossy=int(page.compression) in (6, 7),  # JPEG inside TIFF
        )
        return replace(header, frames=1 + _has_second_picture(tiff.pages))


def _has_second_picture(pages: Any) -> bool:
    """Whether a page after the first is more than a thumbnail, a smaller copy or a transparency mask."""
    first = pages[0]
    for page in (pages[index] for index in range(1, len(pages))):
        smaller = page.imagelength * page.imagewidth < first.imagelength * first.imagewidth
        if not smaller and not page.subfiletype & 0b101:
            return True
    return False


# ---------------------------------------------------------------------------------------------- decoding


def _decode(stream: _WholeFile, header: _Header, *, indices: bool) -> Stored:
    if header.kind == "TIFF":
        return _decode_tiff(stream, header, indices=indices)
    if header.bits == 16:
        stored = _png16(stream, header)
    else:
        image = _open_with_pillow(stream, header.kind)
        stored = Stored(_eight_bit(image, indices=indices), 255)
    return replace(stored, values=_upright(stored.values, header.orientation))


def _eight_bit(image: Image.Image, *, indices: bool) -> NDArray[np.uint8]:
    """Decode to (H, W, C) uint8; C as in ``Stored``."""
    if indices and image.mode == "P":
        return _channels(image)
    see_through = image.has_transparency_data
    if image.mode in ("1", "L") and not see_through:
        return _channels(image.convert("L"))
    if image.mode in ("LA", "La"):
        return _channels(image.convert("LA"))
    if image.mode == "LAB":
        raise ImageError("its colours are CIELAB; allowed are grey, RGB, palette and CMYK")
    return _channels(image.convert("RGBA" if see_through else "RGB"))


def _channels(image: Image.Image) -> NDArray[Any]:
    """Copy pixels into a writable (H, W, C) array in the machine's byte order."""
    array = np.array(image)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.ndim == 3 else array[..., None]


def _png16(stream: _WholeFile, header: _Header) -> Stored:
    """Decode a 16-bit PNG to every one of its bits."""

    def image() -> ImageFile.ImageFile:
        return _open_with_pillow(stream, "PNG")

    key = image().info.get("transparency")
    if header.channels == 1:
        values = _channels(image()).astype(np.uint16)
    elif header.channels == 2:
        # Read the four bytes of a pixel as if they were RGBA: Pillow has no grey with alpha of 16 bits.
        raw = _channels(_with_raw_modes(image(), lambda _: "RGBA"))
        values = raw.view(np.dtype(">u2")).astype(np.uint16)
    else:
        values = _both_bytes(image)
    if key is not None:
        alpha = np.where((values == np.asarray(key)).all(axis=-1, keepdims=True), 0, 65535)
        values = np.concatenate([values, alpha.astype(np.uint16)], axis=-1)
    return Stored(values, 65535)


def _both_bytes(image: Callable[[], ImageFile.ImageFile]) -> NDArray[np.uint16]:
    """Decode 16-bit colour twice, once for the high byte and once for the low one.

    Pillow stores eight bits a colour channel and keeps the high byte of a wider one. Told that the file has
    the other byte order it keeps the low byte.
    """
    high = _channels(image()).astype(np.uint16)
    low = _channels(_with_raw_modes(image(), lambda mode: mode[:-1] + _OTHER_BYTE[mode[-1]]))
    words: NDArray[np.uint16] = high << 8 | low
    return words


def _with_raw_modes(image: ImageFile.ImageFile, change: Callable[[str], str]) -> ImageFile.ImageFile:
    """Tell a Pillow image, not yet decoded, that its bytes are laid out otherwise."""

    def changed(tile: Any) -> Any:
        args = tile[3]
        new = change(args) if isinstance(args, str) else (change(args[0]), *args[1:])
        # Pillow 11 made tiles named tuples; before they were plain ones.
        return tile._replace(args=new) if hasattr(tile, "_replace") else (*tile[:3], new)

    image.tile = [changed(tile) for tile in image.tile]
    return image


def _upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF orientation: 2 to 4 mirror or turn by 180 degrees, 5 to 8 also swap the axes."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


# ---------------------------------------------------------------------------------------------- TIFF


def _decode_tiff(stream: _WholeFile, header: _Header, *, indices: bool) -> Stored:
    _check_tiff(header)
    if header.bits <= 8:
        return Stored(_eight_bit(_pillow_tiff(stream, header), indices=indices), 255)
    full = 1 if header.sample_format == _FLOAT else 2**header.bits - 1
    values = _deep_with_pillow(stream, header)
    if values is None:
        values = _upright(_deep_with_tifffile(stream, header), header.orientation)
    if header.photometric == 0:
        values = full - values
    return Stored(values, full)


def _check_tiff(header: _Header) -> None:
    bits, is_float = header.bits, header.sample_format == _FLOAT
    if header.sample_format not in (_UNSIGNED, _FLOAT) or (bits > 16 and not is_float):
        what = f"{bits}-bit {_SAMPLE_FORMATS.get(header.sample_format, 'complex')} numbers"
        raise ImageError(f"holds {what}; allowed are unsigned 1 to 16 bits, or float from 0 to 1")
    if bits > 8 and header.photometric not in (0, 1, 2):
        raise ImageError(f"its {bits}-bit colours are not grey or RGB; save it as RGB")
    if bits > 8 and header.channels > 4:
        raise ImageError(
            f"has {header.channels} channels; allowed are 1 to 4: grey or RGB, with or without alpha"
        )


def _pillow_tiff(stream: _WholeFile, header: _Header) -> ImageFile.ImageFile:
    """Open a TIFF with Pillow, which turns it upright by itself while it decodes."""
    image = _open_with_pillow(stream, "TIFF")
    # With a canvas at hand Pillow does not judge the size again, by its own limit and with a warning.
    image.im = Image.new(image.mode, header.size[::-1]).im
    return image


def _deep_with_pillow(stream: _WholeFile, header: _Header) -> NDArray[Any] | None:
    """Decode more than 8 bits a channel with Pillow, which knows every compression.

    Returns:
        (H, W, C) uint16 or float32; ``None`` for a layout of which Pillow would lose bits.
    """
    is_float = header.sample_format == _FLOAT
    if header.planar or header.channels == 2 or header.extra == 1 or (is_float and header.channels > 1):
        return None
    try:
        mode = _open_with_pillow(stream, "TIFF").mode
    except SyntaxError:  # Pillow's word for a layout that it does not know
        return None
    if mode == "F":
        return _channels(_pillow_tiff(stream, header))
    if mode.startswith("I;16"):
        return _channels(_pillow_tiff(stream, header)).astype(np.uint16)
    return _both_bytes(lambda: _pillow_tiff(stream, header)) if mode in ("RGB", "RGBA") else None


def _deep_with_tifffile(stream: _WholeFile, header: _Header) -> NDArray[Any]:
    """Decode what Pillow would not; knows fewer compressions.

    Returns:
        (H, W, C), not turned upright.
    """
    from tifffile import TiffFile  # noqa: PLC0415

    stream.seek(0)
    with TiffFile(stream) as tiff:
        values: NDArray[Any] = tiff.pages[0].asarray()
    if values.ndim == 2:
        values = values[..., None]
    elif header.planar:
        values = np.moveaxis(values, 0, -1)
    if values.shape != (*header.size, header.channels):
        raise ImageError(
            f"its pixels come as {values.shape}, its header says {(*header.size, header.channels)}"
        )
    colours = 3 if header.photometric == 2 else 1
    # Colours multiplied by their alpha already look as they do on black; other extras mean nothing here.
    has_alpha = header.extra == 2 or (header.extra is None and header.channels > colours)
    return values[..., : colours + has_alpha]
