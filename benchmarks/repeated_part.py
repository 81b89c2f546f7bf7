"""Make a set of good images of one part that always lies alike: one photograph again and again.

    python benchmarks/repeated_part.py IMAGE OUT

Each of 40 images to learn from and 10 to test is the photograph moved by up to a pixel, up to 5 % lighter or darker,
with noise of three grey levels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

TRAIN, TEST = 40, 10


def main() -> None:
    """Write the images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    photograph = np.asarray(Image.open(options.image).convert("RGB")).astype(float)
    random = np.random.default_rng(0)
    for number in range(TRAIN + TEST):
        folder = options.out / ("train" if number < TRAIN else "test") / "good"
        folder.mkdir(parents=True, exist_ok=True)
        moved = ndimage.shift(photograph, (*random.uniform(-1, 1, 2), 0), order=1, mode="nearest")
        pixels = moved * random.uniform(0.95, 1.05) + random.normal(0, 3, moved.shape)
        Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(folder / f"{number:03}.png")


if __name__ == "__main__":
    main()
