"""Decoding DICOM: pydicom reads the header and finds the frame, imagecodecs decompresses it.

The values are those that the detector stored, scaled by the bits that the file says they have. Neither the rescale
to other units nor the window for display is applied: both may differ from image to image.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from twinspect.errors import ImageError, optional
from twinspect.images.dicom_elements import DicomError, transfer_syntax
from twinspect.images.formats import DICOM
from twinspect.images.stored_pixels import Header, StoredPixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.images.stored_pixels import ImageStream

_START: Final = 2**16
"""Bytes in which the transfer syntax stands; usual are 200 to 400."""
_NATIVE: Final = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})
_RLE: Final = "1.2.840.10008.1.2.5"
_CODECS: Final = {
    **dict.fromkeys(("4.50", "4.51", "4.57", "4.70"), "jpeg"),
    **dict.fromkeys(("4.80", "4.81"), "jpegls"),
    **dict.fromkeys(("4.90", "4.91"), "jpeg2k"),
}
"""What decodes compressed pixels, by the end of the transfer syntax: JPEG, JPEG-LS and JPEG 2000."""
_COLOURS: Final = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}
"""Photometric interpretations, and how many channels they have."""
_FRAME_HEADERS: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xF7})
"""Markers of JPEG and JPEG-LS that a picture's size follows."""


def read_dicom_header(stream: ImageStream) -> Header:
    """Read all but the pixels."""
    dataset = _read(stream, pixels=False)
    for name in (
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "SamplesPerPixel",
        "PhotometricInterpretation",
    ):
        if dataset.get(name) is None:
            raise ImageError(f"holds no picture: {name} is missing")
    return Header(
        DICOM,
        (int(dataset.Rows), int(dataset.Columns)),
        frames=int(dataset.get("NumberOfFrames") or 1),
        bits=int(dataset.BitsStored),
        channels=int(dataset.SamplesPerPixel),
        lossy=dataset.get("LossyImageCompression") == "01",
    )


def decode_dicom(stream: ImageStream, header: Header) -> StoredPixels:
    """Decode the one picture of a DICOM file.

    Args:
        stream: the file.
        header: of the file.
    """
    dataset = _read(stream, pixels=True)
    _check_layout(dataset, header)
    values = _unsigned(_frame(dataset, header), dataset)
    full = 2**header.bits - 1
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = full - values
    return StoredPixels(values.astype(np.uint8) if full == 255 else values, full)


def _read(stream: ImageStream, *, pixels: bool) -> Any:
    pydicom = optional("pydicom", "formats")
    syntax = _syntax(stream.bytes_at(0, _START))
    if syntax not in _NATIVE and syntax != _RLE and _codec(syntax) is None:
        raise ImageError(
            f"its DICOM transfer syntax, {syntax}, is not supported; save it as Explicit VR Little Endian"
        )
    stream.seek(0)
    return pydicom.dcmread(io.BytesIO(stream.read()), stop_before_pixels=not pixels)


def _syntax(start: bytes) -> str:
    try:
        return transfer_syntax(start)
    except (DicomError, struct.error) as error:
        raise ImageError(f"{error}; save it anew as DICOM Part 10") from None


def _codec(syntax: str) -> str | None:
    return _CODECS.get(syntax.removeprefix("1.2.840.10008.1.2."))


def _check_layout(dataset: Any, header: Header) -> None:
    colours = str(dataset.PhotometricInterpretation)
    if _COLOURS.get(colours) != header.channels:
        raise ImageError(
            f"its colours are {colours} in {header.channels} channels; allowed are {', '.join(_COLOURS)}"
        )
    allocated, high = int(dataset.BitsAllocated), int(dataset.get("HighBit", header.bits - 1))
    if allocated not in (8, 16) or not 2 <= header.bits <= allocated or high != header.bits - 1:
        raise ImageError(
            f"its pixels are {header.bits} of {allocated} bits, the highest at {high}; allowed are 2 to 8 of 8 and "
            "2 to 16 of 16, at the low end"
        )
    if "PixelData" not in dataset:
        raise ImageError("holds no pixels of whole numbers; allowed are 2 to 16 bits")


def _frame(dataset: Any, header: Header) -> NDArray[Any]:
    """Give (H, W, C), as stored but for compression and YBR colours."""
    syntax, colours = str(dataset.file_meta.TransferSyntaxUID), str(dataset.PhotometricInterpretation)
    if syntax in _NATIVE:
        values = _native(dataset, header)
    elif syntax == _RLE:
        values = _run_lengths(_compressed(dataset), dataset, header)
    else:
        values = _decompressed(_compressed(dataset), str(_codec(syntax)), colours, header)
    already_rgb = _codec(syntax) == "jpeg" or colours in ("RGB", "YBR_ICT", "YBR_RCT")
    return values if header.channels == 1 or already_rgb else _ybr_to_rgb(values)


def _native(dataset: Any, header: Header) -> NDArray[Any]:
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        raise ImageError("its colours are YBR_FULL_422 without compression; save it as RGB")
    height, width = header.size
    values = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
    count = height * width * header.channels
    if len(values) < count:
        raise ImageError(f"is cut off: it holds {len(values):,} of {count:,} values")
    if header.channels == 3 and dataset.get("PlanarConfiguration") == 1:
        return np.moveaxis(values[:count].reshape(3, height, width), 0, -1)
    return values[:count].reshape(height, width, header.channels)


def _compressed(dataset: Any) -> bytes:
    encaps = optional("pydicom.encaps", "formats")
    frame: bytes = encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    return frame


def _run_lengths(frame: bytes, dataset: Any, header: Header) -> NDArray[Any]:
    """Decode DICOM's RLE (PS3.5, annex G): PackBits of each byte of each channel, the highest first."""
    decode = optional("imagecodecs", "formats").packbits_decode
    count, *offsets = struct.unpack_from("<16I", frame)
    width = dataset.BitsAllocated // 8
    if count != header.channels * width:
        raise ImageError(
            f"its {count} run-length segments do not fit {header.channels} channels of {width} bytes"
        )
    size = header.size[0] * header.size[1]
    ends = [*offsets[1:count], len(frame)]
    # With a size, the decoder refuses what would be larger.
    planes = [
        np.frombuffer(decode(frame[start:end], out=size), np.uint8)[:size]
        for start, end in zip(offsets[:count], ends, strict=True)
    ]
    stacked = np.stack(planes, axis=-1).reshape(*header.size, header.channels, width)
    return np.ascontiguousarray(stacked).view(f">u{width}")[..., 0]


def _decompressed(frame: bytes, codec: str, colours: str, header: Header) -> NDArray[Any]:
    """Decode a picture that says its size itself: it must be the header's, which has been judged."""
    if (size := _stated_size(frame)) != header.size:
        raise ImageError(
            f"its compressed picture is {size} pixels high and wide, its header says {header.size}"
        )
    # Without this the decoder would guess what the three channels are.
    stored = "RGB" if colours == "RGB" else "YCBCR"
    options = (
        {"colorspace": stored, "outcolorspace": "RGB"} if codec == "jpeg" and header.channels == 3 else {}
    )
    decode = getattr(optional("imagecodecs", "formats"), f"{codec}_decode")
    values: NDArray[Any] = decode(frame, **options)
    values = values if values.ndim == 3 else values[..., None]
    if values.shape != (*header.size, header.channels) or values.dtype.itemsize > 2:
        raise ImageError(
            f"its pixels come as {values.shape}, its header says {(*header.size, header.channels)}"
        )
    return values


def _stated_size(frame: bytes) -> tuple[int, int] | None:
    """Read (height, width) from the first header of a JPEG, JPEG-LS or JPEG 2000 picture."""
    start = frame.find(b"\xff\x4f\xff\x51")
    if start >= 0 and not frame.startswith(b"\xff\xd8"):
        width, height, left, top = struct.unpack_from(">4I", frame, start + 8)
        return height - top, width - left
    position = 2
    while frame[position : position + 1] == b"\xff":
        marker, length = struct.unpack_from(">BH", frame, position + 1)
        if marker in _FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", frame, position + 5)
            return height, width
        position += 2 + length
    return None


def _ybr_to_rgb(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype != np.uint8:
        raise ImageError("its YBR colours have more than 8 bits; save it as RGB")
    return np.array(Image.fromarray(np.ascontiguousarray(values), "YCbCr").convert("RGB"))


def _unsigned(values: NDArray[Any], dataset: Any) -> NDArray[np.uint16]:
    """Bring values to 0 and up: bits above those stored are dropped, and signed ones moved by half their range."""
    bits = int(dataset.BitsStored)
    words = values.astype(np.uint16)
    if dataset.get("PixelRepresentation") == 1:
        words += np.uint16(2 ** (bits - 1))
    words &= np.uint16(2**bits - 1)
    return words
