"""Mean and deviation of a map's values at every place of good images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from twinspect import maps
from twinspect.methods.networks.gathered_buffers import GatheredBuffers
from twinspect.methods.networks.moments import moments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

POOLED: Final = 1.0
"""Standard deviation, in places, of the Gaussian that smooths mean and variance over neighbouring places."""
SHARED: Final = 0.1
"""How much of the deviation over all places and images is added to that of a place, which few images determine
badly."""
LEAST: Final = 1e-8
"""Minimum of a deviation, where no value differs from another."""


class PlaceStatistics(GatheredBuffers):
    """What is usual at every place: ``mean`` and ``deviation``, (h, w) float32."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__("mean", "deviation")
        # Until they are gathered, values stay as they are.
        self.mean, self.deviation = torch.zeros(1, 1), torch.ones(1, 1)

    def gather(self, batches: Iterable[Tensor], absent: int = 0) -> None:
        """Measure (B, h, w) maps of good images.

        Args:
            batches: the maps.
            absent: images that the statistics stand for already, which these are added to; 0 to begin anew.
        """
        maps_of_all = list(batches)
        mean, square = moments(maps_of_all)
        if absent:
            share = absent / (absent + sum(map(len, maps_of_all)))
            known = self.mean.double(), self.mean.double().square() + self.deviation.double().square()
            mean, square = (
                share * old + (1 - share) * new for old, new in zip(known, (mean, square), strict=True)
            )
        overall = (square.mean() - mean.mean().square()).clamp_min(0).sqrt()
        variance = maps.gaussian_blur((square - mean.square()).clamp_min(0)[None], POOLED)[0]
        self.mean = maps.gaussian_blur(mean[None], POOLED)[0].float()
        self.deviation = (variance.sqrt() + SHARED * overall).clamp_min(LEAST).float()

    def forward(self, values: Tensor) -> Tensor:
        """Return how many deviations (B, h, w) values are above the mean of their place."""
        return (values - self.mean) / self.deviation
