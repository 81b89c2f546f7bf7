"""The one path from pixels to a raw score and a map: preprocessing, teacher, student, on whole images or tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import public_names

if TYPE_CHECKING:
    from twinspect.model.preprocessing import *  # noqa: F403
    from twinspect.model.whole_image import *  # noqa: F403

__getattr__ = public_names(__name__, "twinspect.model.preprocessing", "twinspect.model.whole_image")
