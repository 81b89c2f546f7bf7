"""The images that the pocket teacher learns from, and the few of them that judge it."""

from __future__ import annotations

import random as dice
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import skimage
import sklearn
from PIL import Image

import procedural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

LONGEST = 512
"""Photographs are made no longer than this, in pixels: crops of them are small."""
HELD_OUT = {"photos": 40, "textures": 20}
"""Images of each source that are never learnt from."""
DEMO = {"brick", "grass", "gravel", "coins"}
"""Photographs of scikit-image that `twinspect demo` is judged on: never learnt from."""


@dataclass(frozen=True)
class Source:
    """Images of one kind.

    Attributes:
        name: of the kind.
        share: of the images that a batch draws from it.
        images: (H, W, 3) uint8 each.
    """

    name: str
    share: float
    images: Sequence[Pixels]


def collect(shared: Path, drawn: int, seed: int) -> tuple[list[Source], list[Pixels]]:
    """Gather all sources and the held-out images.

    Fashion-MNIST may be learnt from, but is left out: the teacher is judged on it.

    Args:
        shared: folder with `data/photos`, `data/textures` and `data/cifar10_subset.npz`.
        drawn: how many procedural images.
        seed: of the drawing, and of what is held out.
    """
    data = shared / "data"
    photos, judges = _split(_read(sorted((data / "photos").glob("*.jpg"))), HELD_OUT["photos"], seed)
    textures, others = _split(_read(sorted((data / "textures").glob("*/*"))), HELD_OUT["textures"], seed)
    with np.load(data / "cifar10_subset.npz") as file:
        small = file["x_train"]
    sources = [
        Source("photos", 0.55, photos),
        Source("textures", 0.12, textures),
        Source("installed", 0.06, _read(_installed())),
        Source("cifar10", 0.07, small),
        Source("procedural", 0.20, procedural.pool(drawn, seed)),
    ]
    return sources, judges + others


def _installed() -> list[Path]:
    """List the photographs that come with scikit-image and scikit-learn."""
    first = Path(skimage.__file__).parent / "data"
    second = Path(sklearn.__file__).parent / "datasets" / "images"
    found = [path for folder in (first, second) for path in sorted(folder.iterdir())]
    return [path for path in found if path.suffix in {".png", ".jpg"} and path.stem not in DEMO]


def _read(paths: Iterable[Path]) -> list[Pixels]:
    images = []
    for path in paths:
        with Image.open(path) as file:
            image = file.convert("RGB")
        image.thumbnail((LONGEST, LONGEST))
        images.append(np.asarray(image))
    return images


def _split(images: list[Pixels], held_out: int, seed: int) -> tuple[list[Pixels], list[Pixels]]:
    shuffled = dice.Random(seed).sample(images, len(images))
    return shuffled[held_out:], shuffled[:held_out]
