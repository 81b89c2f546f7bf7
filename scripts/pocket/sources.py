"""The images that the pocket teacher learns from, and the few of them that judge it."""

from __future__ import annotations

import random as dice
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import skimage
import sklearn
import torch
from PIL import Image

import procedural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    Pixels = NDArray[np.uint8]

LONGEST = 512
"""Photographs are made no longer than this, in pixels: crops of them are small."""
HELD_OUT = {"photos": 40, "textures": 20}
"""Images of each source that are never learnt from."""
DEMO = {"brick", "grass", "gravel", "coins"}
"""Photographs of scikit-image that are never learnt from: `twinspect demo` shows two of them."""


@dataclass(frozen=True)
class Source:
    """Images of one kind.

    Attributes:
        name: of the kind.
        share: of the images that a batch draws from it.
        images: (N, 3, S, S) uint8; each fills the upper left of its square, and its edge goes on from there.
        sizes: (N, 2) height and width in pixels.
    """

    name: str
    share: float
    images: Tensor
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, name: str, share: float, images: Sequence[Pixels]) -> Source:
        """Gather (H, W, 3) uint8 images of any sizes."""
        sizes = np.array([image.shape[:2] for image in images])
        side = int(sizes.max())
        squares = np.empty((len(images), side, side, 3), np.uint8)
        for square, image in zip(squares, images, strict=True):
            height, width = image.shape[:2]
            square[:] = np.pad(image, ((0, side - height), (0, side - width), (0, 0)), "edge")
        return cls(name, share, torch.from_numpy(squares).permute(0, 3, 1, 2).contiguous(), sizes)

    def to(self, device: torch.device) -> Source:
        """Put the images on a device."""
        return Source(self.name, self.share, self.images.to(device), self.sizes)


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
        Source.of("photos", 0.55, photos),
        Source.of("textures", 0.12, textures),
        Source.of("installed", 0.06, _read(_installed())),
        Source.of("cifar10", 0.07, small),
        Source.of("procedural", 0.20, procedural.pool(drawn, seed)),
    ]
    return sources, judges + others


def _installed() -> list[Path]:
    """List the photographs that come with scikit-image and scikit-learn."""
    first = Path(skimage.__file__).parent / "data"
    second = Path(sklearn.__file__).parent / "datasets" / "images"
    paths = [path for folder in (first, second) for path in sorted(folder.iterdir())]
    return [path for path in paths if path.suffix in {".png", ".jpg"} and path.stem not in DEMO]


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
