"""The one path from pixels to a raw score and a map: preprocessing, teacher, student, on whole images or tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import lazy_names

if TYPE_CHECKING:
    from twinspect.model.preprocessing import IMAGE_DIMENSIONS, Preprocessing, check_rgb
    from twinspect.model.whole_image import Model

__all__ = ["IMAGE_DIMENSIONS", "Model", "Preprocessing", "check_rgb"]

__getattr__ = lazy_names(
    __name__,
    {
        "twinspect.model.preprocessing": (
            "IMAGE_DIMENSIONS",
            "Preprocessing",
            "check_rgb",
        ),
        "twinspect.model.whole_image": ("Model",),
    },
)
