"""From untrusted bytes to pixels: nothing is believed that a client says of a file, and it is decoded once."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError
from twinspect.images.file_structure import DamagedError, foreign_content, read_structure
from twinspect.images.formats import FORMAT_NAMES, detect_format
from twinspect.images.reading import MAX_PIXELS, MIN_SIDE, read_rgb
from twinspect.serve.api_errors import ApiError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twinspect.images.formats import ImageFormat

_ALLOWED: Final = f"allowed are whole {FORMAT_NAMES} files of one picture"
_LONGEST_NAME: Final = 200
_UNNAMED: Final = "image"


@dataclass(frozen=True)
class Upload:
    """One file as a client sent it.

    Attributes:
        name: what the client calls it: text for people, never a path.
        data: its bytes; empty where they were more than allowed.
        size: how many bytes came.
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
        suffix: under which it is archived, by its contents.
        pixels: (H, W, 3) uint8 RGB, upright.
    """

    name: str
    data: bytes
    suffix: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Limits:
    """What is accepted.

    Attributes:
        image_bytes: of one file.
        images: files of one request.
        pixels: of one image.
        body_bytes: of one request.
    """

    image_bytes: int = 64 * 2**20
    images: int = 64
    pixels: int = MAX_PIXELS
    body_bytes: int = 512 * 2**20


def check(upload: Upload, limits: Limits, *, bits: int | None = None) -> CheckedImage:
    """Find out what an upload is, and decode it.

    Args:
        upload: untrusted.
        limits: what is accepted.
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
    pixels = _decoded(upload.data, image_format, limits, bits)
    return CheckedImage(upload.name, upload.data, image_format.suffixes[0], pixels)


def too_large(size: int, limits: Limits) -> ApiError:
    """Say that a file has too many bytes."""
    most = limits.image_bytes / 2**20
    return ApiError(
        "image_too_large",
        f"the file has {size:,} bytes or more; allowed are {limits.image_bytes:,} ({most:g} MB): "
        "send a smaller file, or start the server with a larger --max-image-mb",
    )


def display_name(text: str | None) -> str:
    r"""Make of a client's file name a line of text for people; it never names anything on the disk.

    >>> display_name("../../etc/pass\x00wd\u202egnp.exe")
    'passwdgnp.exe'
    """
    last = (text or "").replace("\\", "/").rsplit("/", 1)[-1]
    # Categories C: control characters, surrogates, and marks that turn the direction of writing.
    visible = "".join(each for each in last if unicodedata.category(each)[0] != "C")
    return visible.strip()[:_LONGEST_NAME] or _UNNAMED


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


def _decoded(data: bytes, image_format: ImageFormat, limits: Limits, bits: int | None) -> NDArray[np.uint8]:
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
        raise ApiError("image_too_many_pixels", f"the {name} takes more memory than there is") from None
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
