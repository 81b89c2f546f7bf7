"""The training loop, its inputs and checkpoints, and fits with held-out images or in folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import lazy_names

if TYPE_CHECKING:
    from twinspect.training.trainer import (
        SECONDS_BETWEEN_CHECKPOINTS,
        VALIDATION_DRAWS,
        VALIDATION_IMAGES,
        VALIDATIONS,
        Trainer,
        choose_held_out,
    )
    from twinspect.utils.devices import PRECISIONS, choose_precision

__all__ = [
    "PRECISIONS",
    "SECONDS_BETWEEN_CHECKPOINTS",
    "VALIDATIONS",
    "VALIDATION_DRAWS",
    "VALIDATION_IMAGES",
    "Trainer",
    "choose_held_out",
    "choose_precision",
]

__getattr__ = lazy_names(
    __name__,
    {
        "twinspect.training.trainer": (
            "SECONDS_BETWEEN_CHECKPOINTS",
            "VALIDATIONS",
            "VALIDATION_IMAGES",
            "VALIDATION_DRAWS",
            "Trainer",
            "choose_held_out",
        ),
        "twinspect.utils.devices": (
            "PRECISIONS",
            "choose_precision",
        ),
    },
)
