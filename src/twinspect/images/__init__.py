"""From an image file to RGB pixels: reading, decoding, formats, and what an image looks like in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import lazy_names

if TYPE_CHECKING:
    from twinspect.images.decoding import MAX_PIXELS
    from twinspect.images.formats import IMAGE_SUFFIXES
    from twinspect.images.reading import (
        MIN_SIDE,
        check_sides,
        image_size,
        read_mask,
        read_rgb,
    )

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "MIN_SIDE", "check_sides", "image_size", "read_mask", "read_rgb"]

__getattr__ = lazy_names(
    __name__,
    {
        "twinspect.images.decoding": ("MAX_PIXELS",),
        "twinspect.images.formats": ("IMAGE_SUFFIXES",),
        "twinspect.images.reading": (
            "MIN_SIDE",
            "check_sides",
            "image_size",
            "read_mask",
            "read_rgb",
        ),
    },
)
