"""The sets, as folders in MVTec layout that both sides read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FOLDERS = ("cookies", "deeppcb", "aliens", "brain_mri", "ballscrew")
"""Photographs of parts, and of what is inspected like parts."""
ARRAYS = {"fashion": "fashion_mnist.npz", "cifar10": "cifar10_subset.npz"}
NUMBERS = (0, 3, 6)
"""Classes that are good in turn."""
CLASSES = tuple(f"{name}_{number}" for name in ARRAYS for number in NUMBERS)
MOST_TRAIN, MOST_TEST = 500, 100
"""Images of the good class that are learnt from; and images of each class that are tested: the first in the file."""


def size_of(name: str) -> int:
    """Say how large what the networks see is, in pixels; images of classes have 28 or 32."""
    return 64 if name in CLASSES else 256


def folder_of(name: str, root: Path, aside: Path) -> Path:
    """Give a set's folder; that of a class is written first, unless it is there.

    Args:
        name: one of ``FOLDERS`` or ``CLASSES``.
        root: where the folders and arrays lie.
        aside: where folders of classes are written.
    """
    if name in FOLDERS:
        return root / name
    written = aside / name
    if not (written / "complete").is_file():
        of, _, number = name.partition("_")
        with np.load(root / ARRAYS[of]) as arrays:
            _write(arrays, int(number), written)
        (written / "complete").touch()
    return written


def _write(arrays: np.lib.npyio.NpzFile, number: int, written: Path) -> None:
    names = [str(name) for name in arrays["classes"]]
    train = arrays["x_train"][arrays["y_train"] == number]
    _write_images(train[:MOST_TRAIN], written / "train" / "good")
    for place, name in enumerate(names):
        tested = arrays["x_test"][arrays["y_test"] == place]
        label = "good" if place == number else name.replace("/", "_").replace(" ", "_")
        _write_images(tested[:MOST_TEST], written / "test" / label)


def _write_images(images: NDArray[np.uint8], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for place, image in enumerate(images):
        Image.fromarray(image).convert("RGB").save(folder / f"{place:04d}.png")
