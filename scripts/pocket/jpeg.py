"""What JPEG does to images, as arithmetic on tensors: luma and half-size chroma, 8x8 cosine transforms, rounding."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

BLOCK = 8
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""Steps at quality 50, of the standard's annex K (ITU-T T.81)."""
TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def compress(images: Tensor, quality: NDArray[np.float64]) -> Tensor:
    """Give what is left of images.

    Args:
        images: (B, 3, H, W) float32 RGB in 0..255; H and W are multiples of 16.
        quality: (B,) in 1..100, as encoders take it.

    Returns:
        The shape of images; values can lie a little outside 0..255.
    """
    matrix, back = (torch.from_numpy(array).to(images) for array in (TO_YCC, np.linalg.inv(TO_YCC)))
    mixed = torch.einsum("ij,bjhw->bihw", matrix, images)
    scale = np.where(quality < 50, 50 / quality, 2 - quality / 50)
    luma = _round_trip(mixed[:, :1] - 128, LUMA, scale)
    chroma = _round_trip(functional.avg_pool2d(mixed[:, 1:], 2), CHROMA, scale)
    chroma = functional.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.einsum("ij,bjhw->bihw", back, torch.cat([luma + 128, chroma], 1))


def _round_trip(planes: Tensor, steps: tuple[tuple[int, ...], ...], scale: NDArray[np.float64]) -> Tensor:
    """Transform (B, C, H, W) planes block by block, round to a multiple of each step, and transform back."""
    count, channels, height, width = planes.shape
    blocks = planes.reshape(count, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    cosines = torch.from_numpy(_cosines()).to(planes)
    coarse = (
        torch.tensor(steps).to(planes) * torch.from_numpy(scale).to(planes)[:, None, None, None, None, None]
    )
    coarse = coarse.round().clamp_min(1)
    rounded = (cosines @ blocks @ cosines.T / coarse).round() * coarse
    return (cosines.T @ rounded @ cosines).transpose(3, 4).reshape(planes.shape)


@cache
def _cosines() -> NDArray[np.float64]:
    """The orthonormal cosine transform of 8 values, as a matrix."""
    places = np.arange(BLOCK)
    waves = np.cos(np.pi * (2 * places[None] + 1) * places[:, None] / (2 * BLOCK)) / 2
    waves[0] /= np.sqrt(2)
    return waves
