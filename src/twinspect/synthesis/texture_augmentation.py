"""Ten ways to change a texture, of which three at a time are used, so that a small folder goes a long way.

The kinds and about the ranges are those of DRAEM (Zavrtanik et al., ICCV 2021). torchvision computes them on Pillow
images: several times as fast as on tensors, and without torch's threads, which the training needs.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Random = np.random.Generator
    Change = Callable[[Image.Image, Random], Image.Image]

CHANGES = 3
MAX_DEGREES = 45.0
"""A texture is rotated by at most this much in either direction."""


def augment_texture(texture: NDArray[np.uint8], random: Random, count: int = CHANGES) -> NDArray[np.uint8]:
    """Change a texture in some of ten ways, chosen without repetition, in random order.

    Args:
        texture: (H, W, 3) uint8 RGB; not changed.
        random: decides which and how much.
        count: how many, 0 to 10.

    Returns:
        (H, W, 3) uint8, not writable.
    """
    image = Image.fromarray(texture)
    changes = list(augmentations().values())
    for index in random.permutation(len(changes))[:count]:
        image = changes[index](image, random)
    return np.asarray(image)


@lru_cache(maxsize=1)
def augmentations() -> dict[str, Change]:
    """List the ten by name; each takes a Pillow RGB image and returns a changed one of the same size."""
    from torchvision.transforms.v2 import functional as f  # type: ignore[import-untyped]  # noqa: PLC0415

    return {
        "gamma": lambda image, random: f.adjust_gamma(image, 2 ** random.uniform(-1, 1)),
        "brightness and contrast": lambda image, random: f.adjust_contrast(
            f.adjust_brightness(image, random.uniform(0.7, 1.3)), random.uniform(0.7, 1.3)
        ),
        "sharpness": lambda image, random: f.adjust_sharpness(image, random.uniform(0, 4)),
        "hue and saturation": lambda image, random: f.adjust_saturation(
            f.adjust_hue(image, random.uniform(-0.2, 0.2)), random.uniform(0.5, 1.5)
        ),
        "solarize": lambda image, random: f.solarize(image, random.uniform(32, 192)),
        "posterize": lambda image, random: f.posterize(image, int(random.integers(2, 6))),
        "invert": lambda image, _random: f.invert(image),
        "autocontrast": lambda image, _random: f.autocontrast(image),
        "equalize": lambda image, _random: f.equalize(image),
        "rotation": _rotate,
    }


def _rotate(image: Image.Image, random: Random) -> Image.Image:
    """Turn, and enlarge just so much that no corner comes out black."""
    from torchvision.transforms.v2 import functional as f  # noqa: PLC0415

    degrees = random.uniform(-MAX_DEGREES, MAX_DEGREES)
    turn, ratio = abs(math.radians(degrees)), max(image.size) / min(image.size)
    scale = math.cos(turn) + math.sin(turn) * ratio
    turned: Image.Image = f.affine(
        image, degrees, [0, 0], scale, [0.0, 0.0], interpolation=f.InterpolationMode.BILINEAR
    )
    return turned
