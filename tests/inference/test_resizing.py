"""Resizing by NumPy equals torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twinspect.inference.resizing import BLOCK, Kernel, blocks, resize, resize_rgb

SIZES = [(48, 31), (64, 64), (65, 200), (97, 96), (500, 333), (2, 1001), (1, 1)]
"""Smaller, as large, larger and much larger than what they become."""
RANDOM = np.random.default_rng(0)


def by_torch(images: np.ndarray, side: tuple[int, int], kernel: Kernel) -> np.ndarray:
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(images).double(),
        size=side,
        mode="bicubic" if kernel.cubic else "bilinear",
        antialias=kernel.antialias,
        align_corners=False,
    )
    values: np.ndarray = resized.numpy()
    return values


@pytest.mark.parametrize("kernel", [Kernel(False, True), Kernel(True, True), Kernel(False, False)])
@pytest.mark.parametrize("side", [(64, 64), (96, 40), (7, 9)])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_torchs(size: tuple[int, int], side: tuple[int, int], kernel: Kernel) -> None:
    images = RANDOM.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32)
    expected = by_torch(planes, side, kernel)
    tolerance = 5e-4 if kernel.cubic else 2e-4  # of 255, in single precision
    for found in (resize(planes, *side, kernel), resize_rgb(images, *side, kernel)):
        assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.float32, (2, 3, *side), True)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_maps_without_channels_are_resized_too() -> None:
    maps = RANDOM.random((2, 16, 16), dtype=np.float32)
    kernel = Kernel(cubic=False, antialias=False)
    np.testing.assert_allclose(
        resize(maps, 70, 33, kernel), by_torch(maps[:, None], (70, 33), kernel)[:, 0], atol=1e-6
    )


def test_blocks_cover_every_row_once_and_keep_what_is_constant() -> None:
    for before, after in ((576, 256), (256, 577), (3, 1)):
        found = blocks(before, after, Kernel(cubic=True, antialias=True))
        assert [row for block in found for row in range(block.rows.start, block.rows.stop)] == list(
            range(after)
        )
        assert all(len(block.weights) <= BLOCK for block in found)
        sums = np.concatenate([block.weights.sum(axis=1) for block in found])
        np.testing.assert_allclose(sums, 1, rtol=1e-6)
