"""A few images of a folder in MVTec layout, for a smoke run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TRAIN, TEST = 4, 2
"""Images taken of the training folder, and of each kind of test image."""


def small_copy(source: Path, out: Path) -> Path:
    """Copy the first images of every folder, with their masks."""
    target = out / source.name
    for folder in (source / "train" / "good", *sorted((source / "test").iterdir())):
        here = target / folder.relative_to(source)
        here.mkdir(parents=True, exist_ok=True)
        for image in sorted(folder.iterdir())[: TRAIN if folder.parent.name == "train" else TEST]:
            shutil.copy(image, here)
            masks = source / "ground_truth" / folder.name
            for mask in [*masks.glob(f"{image.stem}.*"), *masks.glob(f"{image.stem}_mask.*")]:
                (target / "ground_truth" / folder.name).mkdir(parents=True, exist_ok=True)
                shutil.copy(mask, target / "ground_truth" / folder.name)
    return target
