"""A student that rebuilds the features of single patches through a bottleneck."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from twinspect.methods.networks.moments import channel_statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NARROWEST: Final = 1e-3
"""Minimum of a channel's deviation, as a share of the mean deviation."""
SMALLEST: Final = 1e-8
"""Minimum of a channel's deviation where nothing varies at all."""


class PatchStudent(nn.Module):
    """Linear layers over the channels of a patch, with GELU between them, on standardised features.

    Args:
        channels: of the features.
        width: of the layers beside the bottleneck.
        bottleneck: channels of the narrowest layer.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, width: int, bottleneck: int) -> None:
        super().__init__()
        widths = (channels, width, bottleneck, width, channels)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.GELU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    @torch.no_grad()
    def gather(self, batches: Iterable[Tensor]) -> None:
        """Take mean and deviation of every channel from (n, C) patches of good images."""
        self.mean, self.deviation = channel_statistics(batches, NARROWEST, SMALLEST)

    def forward(self, patches: Tensor, noise: float = 0.0) -> Tensor:
        """Rebuild patches.

        Args:
            patches: (n, C) float32.
            noise: standard deviation of what is added to the standardised features before they are rebuilt.

        Returns:
            (n, C), in the units of the patches.
        """
        standardised = (patches - self.mean) / self.deviation
        if noise:
            standardised = standardised + noise * torch.randn_like(standardised)
        rebuilt: Tensor = self.layers(standardised)
        return rebuilt * self.deviation + self.mean


def cosine_distances(patches: Tensor, rebuilt: Tensor, widths: Sequence[int]) -> Tensor:
    """Sum 1 - cos over the levels whose channels lie side by side.

    Args:
        patches: (n, C) float.
        rebuilt: (n, C) float.
        widths: channels of every level; together C.

    Returns:
        (n,), in [0, 2 K] for K levels.
    """
    pairs = zip(torch.split(patches, [*widths], dim=1), torch.split(rebuilt, [*widths], dim=1), strict=True)
    return torch.stack([1 - nn.functional.cosine_similarity(one, other) for one, other in pairs]).sum(dim=0)
