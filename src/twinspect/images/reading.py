"""Reading pixels: the one way a file becomes an RGB image or a mask.

Nothing here looks at more than one file, so an image means the same pixels wherever it is read. Brightness is
never stretched to what one image happens to hold: a dark image stays dark.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import ConfigError, DataError, ImageError
from twinspect.images.bounded import stored_values
from twinspect.images.decoding import MAX_PIXELS, stored_bits, stored_size
from twinspect.images.formats import IMAGE_SUFFIXES
from twinspect.images.gif import is_gif, read_gif

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.images.formats import ImageFormat
    from twinspect.images.stored_pixels import StoredPixels

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "MIN_SIDE",
    "check_bit_count",
    "check_sides",
    "image_size",
    "largest_deep_value",
    "read_mask",
    "read_rgb",
]

_BLOCK_BYTES: Final = 16 * 2**20
"""Bytes of the rows that are converted at once."""
MIN_SIDE: Final = 2
"""The shortest image side, in pixels, that holds any structure to judge."""


def read_rgb(
    path: Path | str,
    *,
    bits: int | None = None,
    content: bytes | None = None,
    image_format: ImageFormat | None = None,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Read one file as upright 8-bit RGB.

    Grey becomes three equal channels. Palette, CMYK and 1-bit images become the colours they show. Alpha
    that is opaque everywhere, or 0 everywhere (a fourth channel that nobody filled), is dropped; otherwise the
    image is laid on black, so that colours hidden under transparent pixels cannot look like anomalies. More
    than 8 bits are scaled by the same factor in every image: 16 bits as round(value * 255 / 65535), a float
    as round(value * 255). EXIF orientation is applied. Of a JPEG or TIFF that carries smaller copies beside
    its picture, the picture is read; an animation or a stack of pages is refused.

    Args:
        path: a file of a format in :data:`twinspect.images.formats.FORMATS`; its contents decide which, not its name.
        bits: how many of the lowest bits a 16-bit file uses, 8 to 16 (12 for many industrial cameras): then
            the largest such number, and all above, is white. Makes no difference to files of 8 bits.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.
        image_format: of the file, if it has been detected already.
        max_pixels: the largest image to decode; a larger header is refused before.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: the file cannot be read as one image of at most ``max_pixels``; one line that starts with
            the path and says what came and what is allowed.
        ConfigError: ``bits`` is not 8 to 16.
    """
    if bits is not None:
        check_bit_count(bits)
    stored = stored_values(path, content=content, image_format=image_format, max_pixels=max_pixels)
    if stored.values.dtype == np.uint8:
        return _to_three_channels(_remove_alpha(stored.values, 255))
    if stored.values.dtype.kind == "f":
        _check_unit_range(stored.values, path)
        return _to_three_channels(by_rows(_unit_to_eight_bits, _remove_alpha(stored.values, 1)))
    return _to_three_channels(_sixteen_to_eight_bits(stored, bits))


def read_mask(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read one mask: which pixels are anomalous.

    A pixel is anomalous where any stored colour value is above 0, the rule of MVTec AD, which fits masks
    of 0/255, of 0/1 and of class numbers alike; a palette image counts by its entry numbers, and a fully
    transparent pixel is never anomalous. Lossy files (JPEG; WebP, unless plain lossless) blur a mask's
    edge into grey: there a pixel is anomalous above half of the full range.

    Args:
        path: the mask file, a GIF or any format that `read_rgb` reads.
        shape: (height, width) of the image that the mask belongs to, upright.

    Returns:
        (H, W) bool, True where anomalous.

    Raises:
        ImageError: the file cannot be read.
        DataError: the mask is not as large as its image.
    """
    stored = read_gif(path) if is_gif(path) else stored_values(path, indices=True)
    values = stored.values
    height, width = values.shape[:2]
    if (height, width) != tuple(shape):
        sizes = f"the mask is {width} x {height} pixels, its image {shape[1]} x {shape[0]}"
        raise DataError(f"{path}: {sizes}; both must be the same size (width x height, upright)")
    if values.dtype.kind == "f":
        _check_unit_range(values, path)
    colours = values.shape[-1] - (values.shape[-1] in (2, 4))
    marked: NDArray[np.bool_] = values[..., :colours].max(axis=-1) > (stored.full / 2 if stored.lossy else 0)
    opaque = (values[..., colours:] > 0).all(axis=-1)
    alpha_is_unused = not opaque.any() and not marked.all()
    return marked if alpha_is_unused else marked & opaque


def largest_deep_value(path: Path | str, *, content: bytes | None = None) -> int | None:
    """Find the largest colour value of an image of more than 8 bits; others are not decoded.

    Args:
        path: the file.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.

    Returns:
        ``None`` for 8 bits and for floats. Of a file that says that it has 9 to 15 bits, the largest such number.

    Raises:
        ImageError: the file cannot be read.
    """
    bits = stored_bits(path, content)
    if bits is None or bits <= 8:
        return None
    if bits < 16:
        return (1 << bits) - 1
    stored = stored_values(path, content=content)
    return int(_remove_alpha(stored.values, stored.full).max())


def check_bit_count(bits: int) -> None:
    """Refuse a number of significant bits that no 16-bit file can have.

    Raises:
        ConfigError: it is not 8 to 16.
    """
    if not 8 <= bits <= 16:
        raise ConfigError(f"bits is {bits!r}; allowed are 8 to 16, or None for files that use all their bits")


def check_sides(height: int, width: int) -> None:
    """Refuse an image too small to hold any structure.

    Raises:
        ImageError: a side is shorter than ``MIN_SIDE``.
    """
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"an image of {width}x{height} pixels is too small; both sides must be {MIN_SIDE} or more"
        )


def image_size(path: Path, *, content: bytes | None = None) -> tuple[int, int]:
    """Read (height, width) of the upright image from its header, without decoding it.

    Args:
        path: the file.
        content: what the file would hold, if it is in memory; ``path`` is then only its name.

    Raises:
        ImageError: the file is missing, not an image, or larger than ``MAX_PIXELS``.
    """
    return stored_size(path, content)


def _to_three_channels(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a grey image three equal channels."""
    return values if values.shape[-1] == 3 else np.repeat(values, 3, axis=-1)


def _remove_alpha(values: NDArray[Any], full: int) -> NDArray[Any]:
    """Remove alpha, if there is any: dropped if opaque or 0 everywhere, else each colour is weighted by it."""
    if values.shape[-1] in (1, 3):
        return values
    colours, alpha = values[..., :-1], values[..., -1:]
    if (alpha == full).all() or not alpha.any():
        return colours
    return by_rows(partial(_weigh, full=full), values)


def _weigh(values: NDArray[Any], full: int) -> NDArray[Any]:
    """Weight each colour by the alpha of its pixel."""
    colours, alpha = values[..., :-1], values[..., -1:]
    if values.dtype.kind == "f":
        return np.asarray(colours * alpha)
    # 65535 squared and half of 65535 still fit into 32 bits.
    weighted: NDArray[Any] = (colours.astype(np.uint32) * alpha + full // 2) // full
    return weighted.astype(values.dtype)


def by_rows(convert: Callable[[NDArray[Any]], NDArray[Any]], values: NDArray[Any]) -> NDArray[Any]:
    """Convert some rows after the others, so that what lies between takes little memory.

    Args:
        convert: takes (h, W, C) and gives as many rows.
        values: (H, W, C).
    """
    rows = max(1, _BLOCK_BYTES // max(1, values[:1].nbytes))
    if len(values) <= rows:
        return convert(values)
    first = convert(values[:rows])
    result = np.empty((len(values), *first.shape[1:]), dtype=first.dtype)
    result[:rows] = first
    for start in range(rows, len(values), rows):
        result[start : start + rows] = convert(values[start : start + rows])
    return result


def _check_unit_range(values: NDArray[Any], path: Path | str) -> None:
    """Refuse float values that are not finite or do not lie in 0 to 1."""
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    if nan or infinite:
        counts = f"{nan:,} NaN and {infinite:,} infinite of {values.size:,} values"
        raise ImageError(f"{path}: holds {counts}; allowed are finite numbers from 0 to 1")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        remedy = "divide by the largest value the camera can give, the same for every image"
        raise ImageError(f"{path}: float values from {low:g} to {high:g}; allowed are 0 to 1: {remedy}")


def _unit_to_eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.floor(values * 255.0 + 0.5).astype(np.uint8)


def _sixteen_to_eight_bits(stored: StoredPixels, bits: int | None) -> NDArray[np.uint8]:
    """Scale to 8 bits; an overexposed pixel beyond ``bits`` is white."""
    values = _remove_alpha(stored.values, stored.full)
    full = stored.full if bits is None else 2**bits - 1
    table = _eight_bit_table(full)
    return by_rows(lambda rows: table[np.minimum(rows, full)], values)


@lru_cache(maxsize=8)
def _eight_bit_table(full: int) -> NDArray[np.uint8]:
    """Tabulate round(value * 255 / full) for every value up to ``full``; as that is odd, no tie can occur."""
    return ((np.arange(full + 1, dtype=np.uint32) * 255 + full // 2) // full).astype(np.uint8)
