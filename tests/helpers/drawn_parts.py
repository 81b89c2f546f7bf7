"""Drawn parts, good and damaged, and the settings of a detector that learns them in a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

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


def stripes(seed: int, side: int = 48) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A good part: diagonal stripes whose phase, contrast and noise vary; (side, side, 3) uint8."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    wave = np.sin((rows + columns) / 3 + random.uniform(0, 6)) * random.uniform(40, 60)
    values = 120 + wave[..., None] * np.array([1.0, 0.8, 0.6]) + random.normal(0, 4, (side, side, 3))
    return values.clip(0, 255).astype(np.uint8)


def blemish(image: np.ndarray[Any, Any], top: int = 8, left: int = 28) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The same part with a 12 px checked square on it."""
    damaged = image.copy()
    checks = np.indices((12, 12)).sum(0) // 2 % 2 * 255
    damaged[top : top + 12, left : left + 12] = checks[..., None]
    return damaged


def write_image(path: Path, values: np.ndarray[Any, Any]) -> Path:
    """Write an image, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path
