"""The pixels of a sample, wherever they are."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from twinspect.data.annotations import read_annotated_mask
from twinspect.data.listing import is_annotation
from twinspect.errors import DataError, ImageError
from twinspect.images.gif import is_gif, read_gif
from twinspect.images.reading import image_size, read_mask, read_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from twinspect.data.samples import Sample


@contextmanager
def named(sample: Sample) -> Iterator[None]:
    """Begin the message of an :class:`ImageError` that the block raises with the image's address."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{sample.address}: {error}") from None


def read_pixels(sample: Sample, *, bits: int | None = None) -> NDArray[np.uint8]:
    """Give the pixels held in memory, or read the file, wherever it is, and change them as the sample says.

    Args:
        sample: which image.
        bits: significant bits of 16-bit files, see :func:`twinspect.images.reading.read_rgb`.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: the file cannot be read; the message begins with its path, or address.
    """
    pixels = _read_unchanged(sample, bits)
    if sample.change is None:
        return pixels
    with named(sample):
        return sample.change(pixels)


def _read_unchanged(sample: Sample, bits: int | None) -> NDArray[np.uint8]:
    if sample.pixels is not None:
        return sample.pixels
    if sample.content is not None:
        return read_rgb(sample.content.address, bits=bits, content=sample.content.read())
    return read_rgb(sample.path, bits=bits)


def is_marked(sample: Sample) -> bool:
    """Whether a mask of an image marks any pixel; one that cannot be read is taken to, so that somebody sees it."""
    # An annotation is only listed for images that it marks.
    return any(is_annotation(mask) or _marks_any(mask) for mask in sample.masks)


def _marks_any(mask: Path) -> bool:
    try:
        shape = (read_gif(mask).values.shape[:2]) if is_gif(mask) else image_size(mask)
        return bool(read_mask(mask, shape).any())
    except DataError:
        return True


def read_truth(sample: Sample, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read which pixels any of an image's masks marks; none, if it has no mask.

    Args:
        sample: the image.
        shape: its (height, width), upright.

    Raises:
        ImageError: a mask cannot be read.
        DataError: a mask is not as large as its image.
    """
    marked = np.zeros(shape, dtype=np.bool_)
    for mask in sample.masks:
        marked |= read_annotated_mask(mask, sample, shape) if is_annotation(mask) else read_mask(mask, shape)
    return marked
