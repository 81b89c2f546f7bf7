"""Images turned around their centre."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def rotated(images: Tensor, degrees: float) -> Tensor:
    """Turn square images counter-clockwise; the corners that come from outside are mirrored.

    Args:
        images: (B, C, side, side) float.
        degrees: a multiple of 90 moves pixels; others interpolate between them.

    Returns:
        (B, C, side, side).
    """
    if degrees % 90 == 0:
        return torch.rot90(images, int(degrees // 90), dims=(2, 3))
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    turn = images.new_tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]]).expand(len(images), 2, 3)
    grid = F.affine_grid(turn, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
