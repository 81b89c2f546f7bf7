"""What scores good images have, kind by kind: a network's memory of how much each of its branches usually says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinspect.methods import noisy_or

if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST = 0.1
"""Least deviation of a description's number within kinds, as a share of the mean one."""
SHORTEST = 1e-8
"""Least deviation of all."""


class BranchNormalizer(nn.Module):
    """Join the scores of several branches by Noisy-OR, each by its distribution on good images of the same kind.

    One kind of product scores higher than another however good it is; measured over both, neither branch could be
    compared with the other, nor the images of one kind with those of the other. Which kind an image is of, its
    description says: the nearest centre decides, lengths being measured in deviations within kinds.

    Args:
        branches: how many scores an image has.
        tail: the distribution, see :mod:`twinspect.methods.noisy_or`.
    """

    centres: Tensor
    widths: Tensor
    table: Tensor

    def __init__(self, branches: int, tail: noisy_or.Tail) -> None:
        super().__init__()
        self.tail = tail
        # Until they are measured: one kind, of nobody knows what, whose scores are taken as they are.
        self.register_buffer("centres", torch.zeros(1, 1))
        self.register_buffer("widths", torch.ones(1))
        self.register_buffer("table", torch.tensor([0.0, 1.0, 1.0]).repeat(1, branches, 1))

    @torch.no_grad()
    def measure(self, scores: Tensor, descriptions: Tensor, kinds: Tensor) -> None:
        """Take the distributions from good images that nothing was learnt from.

        Args:
            scores: (n, branches) raw scores.
            descriptions: (n, D) float.
            kinds: (n,) int64, 0 and up; every kind has one image or more.
        """
        members = [kinds == kind for kind in range(int(kinds.max()) + 1)]
        self.centres = torch.stack([descriptions[own].mean(dim=0) for own in members])
        within = (descriptions - self.centres[kinds]).square().mean(dim=0).sqrt()
        # Where kinds do not vary at all, a little noise must not decide.
        self.widths = within.clamp_min(NARROWEST * within.mean()).clamp_min(SHORTEST)
        self.table = torch.stack([self._rows(scores[own]) for own in members])

    def _rows(self, scores: Tensor) -> Tensor:
        return torch.stack([noisy_or.fit_distribution(own, self.tail) for own in scores.unbind(dim=1)])

    def forward(self, scores: Tensor, descriptions: Tensor) -> Tensor:
        """Join scores.

        Args:
            scores: (B, branches) raw scores.
            descriptions: (B, D) float, as given to :meth:`measure`.

        Returns:
            (B,): -log(1 - p), p the Noisy-OR of the branches; unbounded, higher is more anomalous.
        """
        kinds = scores.new_zeros(len(scores), dtype=torch.long)
        if len(self.centres) > 1:
            kinds = self.kinds(descriptions)
        return noisy_or.negative_log_p(scores, self.table[kinds], self.tail).sum(dim=1)

    def kinds(self, descriptions: Tensor) -> Tensor:
        """Say which kind each of (B, D) descriptions is nearest to: (B,) int64."""
        apart = (descriptions[:, None] - self.centres) / self.widths
        return apart.square().sum(dim=2).argmin(dim=1)

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Take what was saved, of as many kinds as it has."""
        for name in ("centres", "widths", "table"):
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=self.table.device))
        super()._load_from_state_dict(state, prefix, *rest)


def image_descriptor(tokens: Sequence[Tensor]) -> Tensor:
    """Put class tokens of several levels, (B, C_k) each, side by side, of length 1 each: (B, sum of C_k)."""
    return torch.cat([F.normalize(token, dim=1) for token in tokens], dim=1)
