"""Distributions of each branch's scores on good images of each category, kept as buffers of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinspect.methods import noisy_or

if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST = 0.1
"""Minimum deviation of a descriptor's component within categories, as a share of the mean one."""
SHORTEST = 1e-8
"""Absolute minimum of a deviation."""
LEAST_SCORE = 1e-12
"""Smallest score that has a logarithm here."""


class BranchNormalizer(nn.Module):
    """Join the scores of several branches, each by its distribution on good images of the same category.

    Good products of one category may score higher than those of another. With one distribution over both, neither
    the branches nor images of different categories could be compared. The category of an image is that of the
    nearest centre to its descriptor, in units of the deviation within categories.

    Args:
        branches: how many scores an image has.
        tail: the distribution, see :mod:`twinspect.methods.noisy_or`.
        logarithm: whether it is that of the scores' logarithms.
        join: by Noisy-OR, or by the larger one.
    """

    centres: Tensor
    widths: Tensor
    table: Tensor

    def __init__(
        self, branches: int, tail: noisy_or.Tail, *, logarithm: bool, join: Literal["noisy_or", "larger"]
    ) -> None:
        super().__init__()
        self.tail = tail
        self._logarithm, self._join = logarithm, join
        # Until they are measured: a single category, whose scores are taken unchanged.
        self.register_buffer("centres", torch.zeros(1, 1))
        self.register_buffer("widths", torch.ones(1))
        self.register_buffer("table", torch.tensor([0.0, 1.0, 1.0]).repeat(1, branches, 1))

    @torch.no_grad()
    def measure(self, scores: Tensor, descriptors: Tensor, categories: Tensor) -> None:
        """Fit the distributions to held-out good images.

        Args:
            scores: (n, branches) raw scores.
            descriptors: (n, D) float.
            categories: (n,) int64, from 0; every category has one image or more.
        """
        masks = [categories == category for category in range(int(categories.max()) + 1)]
        self.centres = torch.stack([descriptors[mask].mean(dim=0) for mask in masks])
        within = (descriptors - self.centres[categories]).square().mean(dim=0).sqrt()
        # Components that hardly vary within categories must not amplify noise.
        self.widths = within.clamp_min(NARROWEST * within.mean()).clamp_min(SHORTEST)
        scaled = self._scaled(scores)
        self.table = torch.stack([self._fit_branches(scaled[mask]) for mask in masks])

    def _fit_branches(self, scores: Tensor) -> Tensor:
        return torch.stack(
            [
                noisy_or.fit_distribution(branch, self.tail, logarithm=self._logarithm)
                for branch in scores.unbind(dim=1)
            ]
        )

    def forward(self, scores: Tensor, descriptors: Tensor) -> Tensor:
        """Join scores.

        Args:
            scores: (B, branches) raw scores.
            descriptors: (B, D) float, as given to :meth:`measure`.

        Returns:
            (B,): -log(1 - p), p the Noisy-OR of the branches or the larger one; unbounded, higher is more anomalous.
        """
        categories = scores.new_zeros(scores.shape[0], dtype=torch.long)
        if len(self.centres) > 1:
            categories = self.nearest_category(descriptors)
        surprise = noisy_or.negative_log_p(self._scaled(scores), self.table[categories], self.tail)
        return surprise.amax(dim=1) if self._join == "larger" else surprise.sum(dim=1)

    def _scaled(self, scores: Tensor) -> Tensor:
        return scores.clamp_min(LEAST_SCORE).log() if self._logarithm else scores

    def nearest_category(self, descriptors: Tensor) -> Tensor:
        """Find the category whose centre is nearest to each of (B, D) descriptors: (B,) int64."""
        distances = (descriptors[:, None] - self.centres) / self.widths
        return distances.square().sum(dim=2).argmin(dim=1)

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Load saved buffers, whatever their number of categories."""
        for name in ("centres", "widths", "table"):
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=self.table.device))
        super()._load_from_state_dict(state, prefix, *rest)


def image_descriptor(tokens: Sequence[Tensor]) -> Tensor:
    """Concatenate class tokens of several levels, (B, C_k) each, normalised to length 1: (B, sum of C_k)."""
    return torch.cat([F.normalize(token, dim=1) for token in tokens], dim=1)
