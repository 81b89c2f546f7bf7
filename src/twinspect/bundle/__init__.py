"""The model folder: ``model.json``, ``weights.safetensors``, kept images and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import public_names

if TYPE_CHECKING:
    from twinspect.bundle.folder import *  # noqa: F403

__getattr__ = public_names(__name__, "twinspect.bundle.folder")
