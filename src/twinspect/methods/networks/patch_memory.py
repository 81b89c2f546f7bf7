"""Patches of good images, kept as a buffer, and the search for the nearest."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from twinspect.methods.networks.gathered_buffers import GatheredBuffers

BLOCK: Final = 2048
"""Members whose distances to all patches are held at once, which bounds memory."""


class PatchMemory(GatheredBuffers):
    """Features of good patches: ``members``, (M, C) float32."""

    members: Tensor

    def __init__(self) -> None:
        super().__init__("members")

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Find the member nearest to each patch.

        Args:
            patches: (n, C) float32.

        Returns:
            The distances, (n,) float32, and the numbers of the members, (n,) int64.
        """
        least, nearest = self._search(patches, self.members[:BLOCK])
        for start in range(BLOCK, len(self.members), BLOCK):
            in_block, number = self._search(patches, self.members[start : start + BLOCK])
            nearest = torch.where(in_block < least, number + start, nearest)
            least = torch.minimum(in_block, least)
        # Measured between the two, not by the difference of large numbers that found the nearest.
        return torch.linalg.vector_norm(patches - self.members[nearest], dim=1), nearest

    @staticmethod
    def _search(patches: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
        """Minimise the squared distance less the patch's own square: (n,) each, value and number."""
        products = torch.addmm(members.square().sum(dim=1), patches, members.T, alpha=-2)
        values, numbers = products.min(dim=1)
        return values, numbers

    def weights(self, patches: Tensor, nearest: Tensor, distances: Tensor, neighbours: int) -> Tensor:
        """Weigh the distances of patches by how far the surroundings of their nearest members are (equation 7).

        Args:
            patches: (n, C) float32.
            nearest: (n,) numbers of their members.
            distances: (n,) to these.
            neighbours: members nearest to that member, itself among them.

        Returns:
            (n,) in [0, 1]: 1 - exp(distance) / sum of exp(distance to a neighbour).
        """
        count = min(neighbours, len(self.members))
        if count < 2:
            return torch.ones_like(distances)
        around = self.members[nearest]
        squared = torch.addmm(self.members.square().sum(dim=1), around, self.members.T, alpha=-2)
        surroundings = self.members[squared.topk(count, dim=1, largest=False).indices]
        to_them = torch.linalg.vector_norm(patches[:, None] - surroundings, dim=2)
        weights: Tensor = 1 - (distances - to_them.logsumexp(dim=1)).exp()
        return weights
