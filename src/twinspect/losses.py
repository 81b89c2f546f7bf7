"""Distillation losses: pure functions of teacher and student features, one number an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def direction_loss(teacher: Tensor, student: Tensor) -> Tensor:
    """Compare the directions of whole maps: 1 - cos(vec a_s, vec a_c).

    Salehi et al. 2021, equation 3: the cosine is taken over all channels and places of one image at once.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.

    Returns:
        (B,), in [0, 2].
    """
    return 1 - F.cosine_similarity(teacher.flatten(1), student.flatten(1), dim=1)


def value_loss(teacher: Tensor, student: Tensor) -> Tensor:
    """Compare values: the mean of (a_s - a_c)² over channels and places.

    Salehi et al. 2021, equation 2.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.

    Returns:
        (B,), not negative.
    """
    return (teacher - student).square().flatten(1).mean(dim=1)
