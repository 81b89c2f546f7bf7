"""From an image file to RGB pixels: reading, decoding, formats, and what an image looks like in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import public_names

if TYPE_CHECKING:
    from twinspect.images.decoding import *  # noqa: F403
    from twinspect.images.formats import *  # noqa: F403
    from twinspect.images.reading import *  # noqa: F403

__getattr__ = public_names(
    __name__, "twinspect.images.decoding", "twinspect.images.reading", "twinspect.images.formats"
)
