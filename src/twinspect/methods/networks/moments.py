"""Mean and mean square of features that come in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Average values and their squares over the first dimension of all batches, in double precision.

    Args:
        batches: (n, ...) float, one or more; all dimensions but the first are the same.

    Returns:
        Mean and mean square, (...) float64.
    """
    count, first, second = 0, torch.zeros(()), torch.zeros(())
    for values in batches:
        doubles = values.double()
        count += len(values)
        first, second = first + doubles.sum(dim=0), second + doubles.square().sum(dim=0)
    return first / count, second / count


def channel_statistics(batches: Iterable[Tensor], narrowest: float, least: float) -> tuple[Tensor, Tensor]:
    """Measure mean and deviation of every channel of patches; what hardly varies must not amplify noise.

    Args:
        batches: (n, C) float patches.
        narrowest: minimum of a deviation, as a share of the mean one.
        least: its absolute minimum.

    Returns:
        (C,) float32 each.
    """
    mean, square = moments(batches)
    deviation = (square - mean.square()).clamp_min(0).sqrt()
    deviation = deviation.clamp_min(narrowest * deviation.mean()).clamp_min(least)
    return mean.float(), deviation.float()
