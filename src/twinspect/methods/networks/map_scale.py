"""Brings the maps of several branches to one scale, on which they can be added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from twinspect.maps import inside_at

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_RANGE: Final = 1e-8
"""Minimum of the distance between a map's mean and its peak."""


class MapScale(nn.Module):
    """A linear scale for every branch: on good images the mean of its maps is 0, and the mean of their peaks 1.

    Args:
        branches: how many there are.
    """

    centres: Tensor
    ranges: Tensor

    def __init__(self, branches: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.zeros(branches))
        self.register_buffer("ranges", torch.ones(branches))

    def measure(
        self,
        branch: int,
        maps: Sequence[Tensor],
        least: float = LEAST_RANGE,
        regions: Sequence[Tensor | None] = (None,),
    ) -> None:
        """Take the scale of a branch from its maps of held-out good images.

        Args:
            branch: its number.
            maps: (B, h, w) float each.
            least: minimum of the distance between their mean and the mean of their peaks.
            regions: (B, H, W) bool each, what is looked at of every map; ``None`` for all of all.
        """
        joined = torch.cat([*maps])
        peaks, values = joined.flatten(1), joined.flatten()
        if known := [region for region in regions if region is not None]:
            inside = inside_at(torch.cat(known), (joined.shape[-2], joined.shape[-1]))
            peaks, values = torch.where(inside, joined, -torch.inf).flatten(1), joined[inside]
        centre = values.mean()
        self.centres[branch] = centre
        self.ranges[branch] = (peaks.amax(dim=1).mean() - centre).clamp_min(max(least, LEAST_RANGE))

    def forward(self, maps: Tensor) -> Tensor:
        """Scale (B, branches, h, w) maps."""
        return (maps - self.centres[:, None, None]) / self.ranges[:, None, None]
