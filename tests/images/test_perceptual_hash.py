"""Perceptual hashes: copies are recognised; other pictures, and parts before a fixed camera, are not copies."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from twinspect.images.perceptual_hash import BYTES, near_duplicates, perceptual_hash


def picture(seed: int, height: int = 200, width: int = 300) -> np.ndarray:
    """Smooth random colours, like a photograph out of focus."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def saved_as_jpeg(rgb: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=75)
    return np.asarray(Image.open(buffer))


def slow_hash(rgb: np.ndarray) -> bytes:
    """The definition, block by block, where every pixel is used."""
    grey = rgb.astype(float).sum(axis=-1)
    height, width = grey.shape
    means = [
        [
            grey[
                row * height // 16 : (row + 1) * height // 16, column * width // 9 : (column + 1) * width // 9
            ].mean()
            for column in range(9)
        ]
        for row in range(16)
    ]
    bits = np.array([[row[column + 1] > row[column] for column in range(8)] for row in means])
    return np.packbits(bits).tobytes()


def test_it_is_its_definition() -> None:
    for seed, size in enumerate([(64, 64), (100, 90), (17, 200), (255, 143)]):
        rgb = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        assert perceptual_hash(rgb)[:16] == slow_hash(rgb)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 3), (1, 4000), (4000, 1), (1000, 1400)])
def test_any_size_has_one(size: tuple[int, int]) -> None:
    assert len(perceptual_hash(np.zeros((*size, 3), dtype=np.uint8))) == BYTES


def test_copies_are_found_and_others_are_not() -> None:
    known = [picture(seed) for seed in range(10)]
    hashes = [perceptual_hash(rgb) for rgb in known]
    copies = {
        "jpeg": [saved_as_jpeg(rgb) for rgb in known],
        "smaller": [np.asarray(Image.fromarray(rgb).resize((150, 100))) for rgb in known],
        "darker": [(rgb * 0.8).astype(np.uint8) for rgb in known],
    }
    for name, changed in copies.items():
        assert all(near_duplicates([perceptual_hash(rgb) for rgb in changed], hashes)), name
    others = [perceptual_hash(picture(seed)) for seed in range(100, 120)]
    assert not any(near_duplicates(others, hashes))


def test_parts_before_a_fixed_camera_are_not_copies_of_each_other() -> None:
    part, random = picture(1).astype(float), np.random.default_rng(0)
    shots = [np.clip(part + random.normal(0, 12, part.shape), 0, 255).astype(np.uint8) for _ in range(30)]
    hashes = [perceptual_hash(rgb) for rgb in shots]
    assert sum(near_duplicates(hashes[15:], hashes[:15])) <= 1


def test_nothing_is_near_nothing() -> None:
    one = perceptual_hash(picture(1))
    assert near_duplicates([], [one]) == []
    assert near_duplicates([one], []) == [False]
    assert near_duplicates([one], [one]) == [True]
