"""From untrusted bytes to pixels: a client's claims about a file are ignored, and it is decoded once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError
from twinspect.images.file_structure import DamagedError, foreign_content, read_structure
from twinspect.images.formats import FORMAT_NAMES, detect_format
from twinspect.images.reading import MAX_PIXELS, MIN_SIDE, read_rgb
from twinspect.serve.api_errors import ApiError
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twinspect.images.formats import ImageFormat

_ALLOWED: Final = f"allowed are whole {FORMAT_NAMES} files of one picture"
_MAX_NAME_LENGTH: Final = 200
_DEFAULT_NAME: Final = "image"


@dataclass(frozen=True)
class Upload:
    """A file as a client sent it.

    Attributes:
        name: the client's name for it, spelled as :mod:`twinspect.utils.spelling` does; never a path.
        data: its bytes; empty if they exceeded the limit.
        size: how many bytes were received.
    """

    name: str
    data: bytes
    size: int


@dataclass(frozen=True)
class CheckedImage:
    """An upload that is an image.

    Attributes:
        name: as in :class:`Upload`.
        data: its bytes.
        suffix: of its format as detected, for the archive.
        pixels: (H, W, 3) uint8 RGB, upright.
    """

    name: str
    data: bytes
    suffix: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Limits:
    """Limits of uploads.

    Attributes:
        image_bytes: bytes of one file.
        images: files of one request.
        pixels: pixels of one image.
        body_bytes: bytes of one request.
    """

    image_bytes: int = 64 * 2**20
    images: int = 64
    pixels: int = MAX_PIXELS
    body_bytes: int = 512 * 2**20


def check(upload: Upload, limits: Limits, *, bits: int | None = None) -> CheckedImage:
    """Detect the format of an upload, check its structure, and decode it.

    Args:
        upload: untrusted.
        limits: the server's.
        bits: significant bits of 16-bit files, see :func:`twinspect.images.reading.read_rgb`.

    Raises:
        ApiError: with one of the codes that begin with ``image_``.
    """
    if upload.size > limits.image_bytes:
        raise too_large(upload.size, limits)
    if not upload.data:
        raise ApiError("image_empty", f"the file is empty (0 bytes); {_ALLOWED}")
    image_format = detect_format(upload.data)
    if image_format is None:
        start = upload.data[:12]
        raise ApiError(
            "image_unknown_type", f"the file is not an image: it starts with {start!r}; {_ALLOWED}"
        )
    _check_structure(image_format, upload.data)
    pixels = _decode(upload.data, image_format, limits, bits)
    return CheckedImage(upload.name, upload.data, image_format.suffixes[0], pixels)


def too_large(size: int, limits: Limits) -> ApiError:
    """Return the error of a file that is too large."""
    megabytes = limits.image_bytes / 2**20
    return ApiError(
        "image_too_large",
        f"the file has {size:,} bytes or more; allowed are {limits.image_bytes:,} ({megabytes:g} MB): "
        "send a smaller file, or start the server with a larger --max-image-mb",
    )


def display_name(text: str | None) -> str:
    r"""Turn a client's file name into one line of text: without its folders, its first 200 characters, spelled.

    >>> print(display_name("../../etc/pass\nwd\u202egnp.exe"))
    pass\u000awd\u202egnp.exe
    """
    last = (text or "").replace("\\", "/").rsplit("/", 1)[-1]
    return spell(last[:_MAX_NAME_LENGTH]) if last.strip(" ") else _DEFAULT_NAME


def _check_structure(image_format: ImageFormat, data: bytes) -> None:
    name = image_format.name
    try:
        structure = read_structure(image_format, data)
    except DamagedError as error:
        raise ApiError("image_damaged", f"the {name} cannot be read: {error}; {_ALLOWED}") from None
    if structure.animated:
        raise ApiError("image_several_pictures", f"the {name} is an animation; {_ALLOWED}")
    if content := foreign_content(data, structure):
        raise ApiError(
            "image_polyglot",
            f"the {name} is not only an image: {content}; {_ALLOWED}: open it and save it anew",
        )


def _decode(data: bytes, image_format: ImageFormat, limits: Limits, bits: int | None) -> NDArray[np.uint8]:
    name = Path(image_format.name)
    try:
        pixels = read_rgb(
            name,
            bits=bits,
            content=data,
            image_format=image_format,
            max_pixels=min(limits.pixels, MAX_PIXELS),
        )
    except ImageError as error:
        message = str(error).removeprefix(f"{name}: ")
        raise ApiError(_code(error), f"the {name}: {message}; {_ALLOWED}") from None
    except MemoryError:
        raise ApiError("image_too_many_pixels", f"the {name} needs more memory than is available") from None
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ApiError(
            "image_too_small",
            f"the image has {width} x {height} pixels; both sides must be {MIN_SIDE} or more",
        )
    return pixels


def _code(error: ImageError) -> str:
    if isinstance(error, TooManyPixelsError):
        return "image_too_many_pixels"
    return "image_several_pictures" if isinstance(error, SeveralPicturesError) else "image_damaged"
