"""The training loop, its inputs and checkpoints, and fits with held-out images or in folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import public_names

if TYPE_CHECKING:
    from twinspect.training.trainer import *  # noqa: F403
    from twinspect.utils.devices import *  # noqa: F403

__getattr__ = public_names(__name__, "twinspect.training.trainer", "twinspect.utils.devices")
