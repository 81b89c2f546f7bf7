"""Small data sets that need no download: photographs from the scikit-image wheel as three products.

Paving of *brick* (a texture), a tray of *coins* (many parts, each turned a little) and a cup of *coffee* (a part in
colour), as a camera takes them again and again. Good test images are such photographs too; others get a defect
that no training of this package draws. Each product is a folder in MVTec layout, masks included.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from twinspect.data.demo import photographs, planted_defects
from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from twinspect.data.demo.photographs import Pixels
    from twinspect.data.demo.planted_defects import Damage

TRAIN, GOOD_TESTS, EACH_DEFECT = 40, 12, 3
"""Images of a product: good ones to learn from and to test, and test images of each defect."""


@dataclass(frozen=True)
class Product:
    """What a camera sees.

    Attributes:
        what: it is, in words.
        take: photographs a good one, as (H, W, C) values of 0 to 255.
        defects: each changes a good image and marks where, (H, W) bool.
    """

    what: str
    take: Callable[[np.random.Generator], Pixels]
    defects: Mapping[str, Damage]


PRODUCTS: Final[Mapping[str, Product]] = {
    "brick": Product(
        "paving, wherever the camera looks",
        photographs.take_brick,
        {
            "coin": planted_defects.lay_coin,
            "crack": planted_defects.crack_brick,
            "scratch": planted_defects.scratch,
            "stain": planted_defects.stain,
        },
    ),
    "coins": Product(
        "a tray of 24 coins, each turned a little",
        photographs.take_coins,
        {
            "foreign": planted_defects.swap_coin,
            "missing": planted_defects.remove_coin,
            "scratch": planted_defects.scratch_coin,
            "stain": planted_defects.stain_coin,
        },
    ),
    "coffee": Product(
        "a cup on its saucer, in colour",
        photographs.take_coffee,
        {
            "chip": planted_defects.chip_rim,
            "crack": planted_defects.crack_saucer,
            "drop": planted_defects.spill,
            "hair": planted_defects.lay_hair,
        },
    ),
}


def write_demo(folder: Path, seed: int = 0, only: str | None = None) -> None:
    """Write products in MVTec layout: 40 good training images, 12 good and 12 defective test images each.

    Args:
        folder: where to; files of the same name are replaced.
        seed: decides how each image is taken and what the defects look like.
        only: the name of the one that is written; ``None`` for all.
    """
    for number, (name, product) in enumerate(PRODUCTS.items()):
        if only not in (None, name):
            continue
        for path, values in _images(product, np.random.default_rng([seed, number])):
            _write(folder / name / path, values)


def _images(product: Product, random: np.random.Generator) -> Iterator[tuple[str, Pixels]]:
    """Take all images of a product, each with its path."""
    for number in range(TRAIN):
        yield f"train/good/{number:03d}.png", product.take(random)
    for number in range(GOOD_TESTS):
        yield f"test/good/{number:03d}.png", product.take(random)
    for label, damage in product.defects.items():
        for number in range(EACH_DEFECT):
            damaged, mask = damage(product.take(random), random)
            yield f"test/{label}/{number:03d}.png", damaged
            yield f"ground_truth/{label}/{number:03d}_mask.png", np.where(mask, 255.0, 0.0)[..., None]


def _write(path: Path, values: Pixels) -> None:
    buffer = io.BytesIO()
    pixels = np.clip(values.round(), 0, 255).astype(np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(
        buffer, format="PNG", compress_level=1
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
