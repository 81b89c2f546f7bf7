"""A region of interest: the pixels of an image that count."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import ConfigError, DataError, ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

MOST_PIXELS: Final = 2**28
"""Of a mask that is read from a record."""


@dataclass(frozen=True, eq=False)
class Region:
    """Which pixels of an image count; all others count for nothing.

    Attributes:
        mask: (h, w) bool, True where an image is looked at.
        any_size: whether the mask is a grid that is laid over an image of any size, as polygons in relative
            coordinates are; otherwise images must be exactly as large as the mask.
    """

    mask: Mask
    any_size: bool
    _latest: dict[tuple[int, int], Mask] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.mask.any():
            raise DataError(
                "the region of interest is empty: nothing would be looked at; mark what is inspected, white in a mask"
            )
        self.mask.flags.writeable = False

    def at(self, height: int, width: int) -> Mask:
        """Give the pixels of an image that count.

        Args:
            height: of the image, in pixels.
            width: likewise.

        Returns:
            (H, W) bool, to be left as it is.

        Raises:
            ImageError: the region is for images of another size, or so small that no pixel of this one is inside.
        """
        known = self._latest.get((height, width))
        if known is None:
            known = self._laid_over(height, width)
            self._latest.clear()
            self._latest[height, width] = known
        return known

    def _laid_over(self, height: int, width: int) -> Mask:
        if self.mask.shape == (height, width):
            return self.mask
        if not self.any_size:
            rows, columns = self.mask.shape
            raise ImageError(
                f"the region of interest is a mask of {columns}x{rows} pixels, the image has {width}x{height}; both "
                "must be the same size, or give polygons in relative coordinates"
            )
        down, across = (
            nearest(side, length) for side, length in zip(self.mask.shape, (height, width), strict=True)
        )
        inside: Mask = self.mask[down[:, None], across]
        if not inside.any():
            raise ImageError(
                f"the region of interest has no pixel in an image of {width}x{height} pixels; make it larger"
            )
        inside.flags.writeable = False
        return inside

    def confine(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give a map, (H, W), with 0 wherever nothing is looked at."""
        return np.where(self.at(*values.shape), values, np.float32(0))

    @cached_property
    def digest(self) -> str:
        """Hexadecimal sha256 of what it looks at: equal for equal regions, wherever they came from."""
        content = repr((self.mask.shape, self.any_size)).encode() + np.packbits(self.mask).tobytes()
        return hashlib.sha256(content).hexdigest()

    @property
    def share(self) -> float:
        """The share of an image that is looked at, in (0, 1]."""
        return float(self.mask.mean())

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values: the mask as a PNG file of one bit a pixel."""
        from twinspect.regions.stored_png import encode_png_text  # noqa: PLC0415 - few models look at a region

        return {"any_size": self.any_size, "png": encode_png_text(self.mask)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Region:
        """Rebuild from :meth:`to_record`.

        Raises:
            ConfigError: the mask is damaged.
        """
        from twinspect.regions.stored_png import opened_png_text  # noqa: PLC0415 - few models look at a region

        with opened_png_text(record["png"], "the region of interest") as image:
            if image.mode != "1" or image.width * image.height > MOST_PIXELS:
                raise ConfigError("the mask of the region of interest is no PNG of one bit a pixel")
            # As numbers first: Pillow's own booleans are bytes of 255, which graphs would not take for true.
            return cls(np.array(image.convert("L")) > 0, record["any_size"])


def nearest(side: int, length: int) -> NDArray[np.int64]:
    """Number the cell of a grid that holds the centre of each pixel along a side.

    Args:
        side: cells of the grid.
        length: pixels of the image.

    Returns:
        (length,) in [0, side). Exact, so that every runtime chooses the same.
    """
    return (2 * np.arange(length, dtype=np.int64) + 1) * side // (2 * length)
