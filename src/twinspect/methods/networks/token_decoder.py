"""The local student of a vision transformer: a noisy bottleneck, and a decoder with linear attention.

After Guo et al. 2024 (Dinomaly, arXiv 2405.14325): dropout in the bottleneck keeps the student from learning to copy
its input, and attention that cannot focus on one location keeps it from passing a defect through.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinspect.maps import beyond_fp16

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUPS = 2
"""Groups of blocks whose patch tokens are averaged and rebuilt together."""
HEAD = 64
"""Channels of an attention head, as in the transformers themselves."""
WIDER = 4
"""Inner width of a block's and of the bottleneck's perceptron, in widths of a token."""
SPREAD, CUT = 0.02, 2.0
"""Standard deviation of the initial weights, truncated at so many of them (usual for transformers)."""
EPSILON = 1e-5
"""Added to the variance by LayerNorm (usual)."""
FIRST, COVERED = 1 / 6, 2 / 3
"""First block to rebuild and the range of blocks, in shares of a transformer's depth: 2 to 9 of 12, counted from 0
(Dinomaly)."""
CLOSE_TO_ZERO = 1e-6
"""Added to the sum of linear attention's weights."""


class TokenStudent(nn.Module):
    """Rebuild the mean patch tokens of groups of blocks from the mean of all groups.

    Args:
        channels: of a token.
        groups: number of groups, shallow to deep.
        blocks: of the decoder; the last ones rebuild the shallowest group, as in a mirror.
        dropout: share of the bottleneck's values dropped in training.
        linear: linear attention instead of softmax attention.
        spread: standard deviation of the initial weights.
        cut: how many of them the initial weights are truncated at.
        epsilon: added to the variance by LayerNorm.
    """

    def __init__(
        self,
        channels: int,
        groups: int,
        blocks: int,
        *,
        dropout: float,
        linear: bool,
        spread: float = SPREAD,
        cut: float = CUT,
        epsilon: float = EPSILON,
    ) -> None:
        super().__init__()
        self.bottleneck = Perceptron(channels, dropout)
        self.blocks = nn.ModuleList(
            TokenBlock(channels, linear=linear, epsilon=epsilon) for _ in range(max(blocks, groups))
        )
        self._groups = groups
        self.apply(partial(_initialise, spread=spread, cut=cut))

    def forward(self, levels: Sequence[Tensor], prefix: Tensor | None = None) -> tuple[Tensor, ...]:
        """Rebuild one (B, C, h, w) map per group, shallow to deep, from as many maps of that shape.

        Args:
            levels: the maps.
            prefix: (B, P, C) tokens that stand for no patch; the student sees them, and they are not compared.
        """
        height, width = levels[0].shape[-2:]
        mean = sum(levels[1:], start=levels[0]) / len(levels)
        patches = mean.flatten(2).transpose(1, 2)
        tokens = self.bottleneck(patches if prefix is None else torch.cat([prefix, patches], dim=1))
        rebuilt: list[Tensor] = []
        for block in self.blocks:
            tokens = block(tokens)
            rebuilt.append(tokens if prefix is None else tokens[:, prefix.shape[1] :])
        means = [self._mean(rebuilt, group) for group in range(self._groups)]
        return tuple(m.transpose(1, 2).reshape(m.shape[0], -1, height, width) for m in reversed(means))

    def _mean(self, rebuilt: list[Tensor], group: int) -> Tensor:
        share = len(rebuilt) / self._groups
        tokens = rebuilt[round(group * share) : round((group + 1) * share)]
        return sum(tokens[1:], start=tokens[0]) / len(tokens)


class TokenBlock(nn.Module):
    """Attention and a perceptron, each on normalised tokens and added to its input.

    Args:
        channels: of a token.
        linear: linear attention instead of softmax attention.
        epsilon: added to the variance by LayerNorm.
    """

    def __init__(self, channels: int, *, linear: bool, epsilon: float = EPSILON) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(channels, epsilon)
        self.attention = Attention(channels, linear=linear)
        self.norm_perceptron = nn.LayerNorm(channels, epsilon)
        self.perceptron = Perceptron(channels, 0.0)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, C) to (B, N, C)."""
        tokens = tokens + self.attention(self.norm_attention(tokens))
        refined: Tensor = tokens + self.perceptron(self.norm_perceptron(tokens))
        return refined


class Attention(nn.Module):
    """Self-attention with several heads.

    Linear: a token becomes sum_j f(q) f(k_j) v_j / sum_j f(q) f(k_j) with f(x) = elu(x) + 1 (Katharopoulos et al.
    2020), at a cost that grows with the number of tokens and not with its square.

    Args:
        channels: of a token.
        linear: linear attention instead of softmax attention.
    """

    def __init__(self, channels: int, *, linear: bool) -> None:
        super().__init__()
        self._heads = max(1, channels // HEAD)
        if channels % self._heads:
            self._heads = 1
        self._linear = linear
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, C) to (B, N, C)."""
        shape = (3, self._heads, -1)
        query, key, value = self.to_qkv(tokens).unflatten(2, shape).permute(2, 0, 3, 1, 4)
        attend = _linear_attention if self._linear else F.scaled_dot_product_attention
        mixed = attend(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Perceptron(nn.Sequential):
    """Two linear layers with GELU between them, and dropout before, between and after.

    Args:
        channels: in and out.
        dropout: share dropped in training.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        inner = WIDER * channels
        super().__init__(
            nn.Dropout(dropout),
            nn.Linear(channels, inner),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(inner, channels),
            nn.Dropout(dropout),
        )


@beyond_fp16
def _linear_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend within (B, heads, N, channels of a head)."""
    query, key = F.elu(query) + 1, F.elu(key) + 1
    total = query @ key.sum(dim=2, keepdim=True).transpose(2, 3)
    return query @ (key.transpose(2, 3) @ value) / (total + CLOSE_TO_ZERO)


def middle_blocks(depth: int, count: int) -> list[int]:
    """Choose the blocks of a transformer that a student rebuilds, counted from 0.

    >>> middle_blocks(12, 8), middle_blocks(24, 8)
    ([2, 3, 4, 5, 6, 7, 8, 9], [4, 6, 8, 10, 12, 14, 16, 18])
    """
    return sorted({round(depth * (FIRST + COVERED * step / count)) for step in range(count)})


def split_into_groups(levels: Sequence[Any]) -> list[Sequence[Any]]:
    """Split levels into two groups, shallow and deep; a single level is one group."""
    half = -(-len(levels) // GROUPS)
    return [levels[start : start + half] for start in range(0, len(levels), half)]


def _initialise(layer: nn.Module, spread: float, cut: float) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=spread, a=-cut * spread, b=cut * spread)
        nn.init.zeros_(layer.bias)
