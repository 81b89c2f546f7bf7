"""Bringing features to another size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def resized(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring (B, C, h, w) features to a height and width, with bilinear interpolation."""
    if tuple(features.shape[-2:]) == tuple(size):
        return features
    return functional.interpolate(features, size, mode="bilinear", align_corners=False)
