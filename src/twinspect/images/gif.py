"""GIF files, which are read as masks only: with at most 256 colours they are no photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL.GifImagePlugin import GifImageFile

from twinspect.errors import ImageError, SeveralPicturesError, TooManyPixelsError
from twinspect.images.decoding import MAX_PIXELS
from twinspect.images.pillow_decoder import eight_bit_values
from twinspect.images.stored_pixels import StoredPixels

if TYPE_CHECKING:
    from pathlib import Path


def is_gif(path: Path) -> bool:
    """Whether a file is a GIF by its name and its first bytes; ``False`` if it cannot be read."""
    if path.suffix.lower() != ".gif":
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(6) in (b"GIF87a", b"GIF89a")
    except OSError:
        return False


def read_gif(path: Path) -> StoredPixels:
    """Decode the colours of a GIF file, not the entry numbers of its palette, in which white may come first.

    Raises:
        ImageError: it cannot be read as one image of at most ``MAX_PIXELS``.
    """
    try:
        with path.open("rb") as stream:
            image = GifImageFile(stream)
            _check(image, path)
            return StoredPixels(eight_bit_values(image, indices=False), 255)
    except ImageError:
        raise
    except Exception as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: cannot be read as GIF: {detail}") from error


def _check(image: GifImageFile, path: Path) -> None:
    """Judge the header before anything is decoded."""
    if image.width * image.height > MAX_PIXELS:
        sizes = f"{image.width} x {image.height} pixels, allowed are at most {MAX_PIXELS:,}"
        raise TooManyPixelsError(f"{path}: too large: {sizes}")
    if image.n_frames > 1:
        raise SeveralPicturesError(f"{path}: this GIF holds several pictures; allowed is one")
