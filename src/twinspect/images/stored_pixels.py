"""What decoders share: the file as a stream, its header, and the values that it stores."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twinspect.images.formats import ImageFormat

UNSIGNED: Final = 1
"""TIFF's code of unsigned numbers."""


@dataclass(frozen=True)
class StoredPixels:
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
class Header:
    """What is known of an image before its pixels are decoded.

    Attributes:
        format: of the file.
        size: (height, width) as stored, before any rotation.
        orientation: EXIF orientation, 1 to 8.
        frames: how many full-size pictures the file holds; more than one is not counted further.
        bits: bits a channel.
        channels: channels a pixel, as stored; 0 if the decoder did not say.
        sample_format: TIFF's code: 1 unsigned, 2 signed, 3 float.
        photometric: TIFF's code: 0 white is zero, 1 black is zero, 2 RGB; ``None`` for other files.
        extra: TIFF's code of the channel after the colours: 2 is alpha; ``None`` if it does not say.
        planar: whether a TIFF stores one channel after the other.
        compression: TIFF's code.
        lossy: see ``StoredPixels``.
    """

    format: ImageFormat
    size: tuple[int, int]
    orientation: int = 1
    frames: int = 1
    bits: int = 8
    channels: int = 0
    sample_format: int = UNSIGNED
    photometric: int | None = None
    extra: int | None = None
    planar: bool = False
    compression: int = 1
    lossy: bool = False


class TruncatedFileError(OSError):
    """The file ended while pixels were still missing."""


class ImageStream(io.BufferedReader):
    """The bytes of an image file.

    Attributes:
        pixels_needed: whether to raise where the file ends too early. Pillow may have been told, for the whole
            process, to fill what is missing with grey.
    """

    pixels_needed = False

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file; raises ``TruncatedFileError`` at the end if ``pixels_needed``."""
        data = super().read(size)
        if self.pixels_needed and not data and size != 0:
            raise TruncatedFileError("it is cut off before its last pixel")
        return data

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Read ``count`` bytes at ``offset``, fewer where the file ends."""
        self.seek(offset)
        return self.read(count)
