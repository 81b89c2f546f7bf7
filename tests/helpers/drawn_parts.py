"""Drawn parts, good and damaged, and the settings of a detector that learns them in a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from twinspect.testing.drawing import blemish, stripes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

__all__ = [
    "AS_ARGUMENTS",
    "QUICK",
    "SHIPPED",
    "STAGES",
    "TEACHER",
    "blemish",
    "quick",
    "stripes",
    "write_image",
]

TEACHER: dict[str, Any] = {"teacher": "test_byobnet", "weights": "random", "layers": [0, 1]}
"""A teacher whose students learn in a moment and take little room; what depends on the teacher names its own."""

AS_ARGUMENTS = ("--teacher", "test_byobnet", "--weights", "random", "--layers", "0,1")
"""The same on the command line."""

SHIPPED: dict[str, Any] = {"teacher": "pocket", "weights": None, "layers": None}
"""The teacher that comes with the package."""

QUICK: dict[str, Any] = {
    **TEACHER,
    "size": 64,
    "steps": 60,
    "batch_size": 8,
    "device": "cpu",
    "workers": 2,
}

STAGES: dict[str, tuple[str, ...]] = {
    "aand": ("amplify_steps",),
    "destseg": ("student_steps",),
    "hybrid": ("imitate_steps",),
}
"""Settings that say how long the stages before a method's last one take."""


SMALL: dict[str, dict[str, Any]] = {
    "hybrid": {"members": 50, "patches": 256, "calibration": "split"},
    "patchcore": {"calibration": "split"},
    "padim": {"calibration": "split"},
    "destseg": {"width": 16, "batch_size": 4},
    "efficientad": {"width": 0.1, "learning_rate": 2e-3, "batch_size": 2},
}
"""Settings of methods whose networks do not follow the teacher's in size; one fit instead of six."""


def quick(method: str, steps: int = QUICK["steps"]) -> dict[str, Any]:
    """Give settings with which every stage of a method takes so many steps."""
    stages = STAGES.get(method, ())
    return {
        **QUICK,
        "steps": steps * (1 + len(stages)),
        **dict.fromkeys(stages, steps),
        **SMALL.get(method, {}),
    }


def write_image(path: Path, values: np.ndarray[Any, Any]) -> Path:
    """Write an image, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path
