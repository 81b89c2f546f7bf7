"""Residual anomaly amplification: change a teacher's features only where they look anomalous.

Tang et al., IEEE TIP 2026 (arXiv 2405.02068), stage I. The frozen features stay unchanged; a gate learns where to
amplify, and a generator learns the residual to add.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinspect.maps import constant

if TYPE_CHECKING:
    from collections.abc import Callable

WIDEST = 1024
"""Maximum of channels between two 1x1 convolutions (authors' code)."""
NARROWING = 4
"""How many times narrower than a level a light gate and generator are."""
TEMPERATURE = 0.2
"""Divides the similarities before the softmax (authors' code)."""
SHORTEST = 1e-12
"""Minimum length that a query is divided by."""
LONGEST_WAVE = 10_000.0
"""Ratio of the longest to the shortest wave of the position encoding, as usual."""

ACTIVATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "tanh": lambda scale, features: scale.tanh_() * features,
    "sigmoid": lambda scale, features: scale.sigmoid_() * features,
    "learnable": lambda residual, _features: residual,
}
"""How the generator's output, which may be overwritten, becomes a residual (table VII): as a scale of the
features, or unchanged."""


class FeatureAmplifier(nn.Module):
    """Gate and generator of one level.

    Args:
        channels: of the level.
        items: normal memory items, and as many anomalous ones (L).
        gate: whether the residual is gated; otherwise it is added everywhere.
        generator: whether there is a residual; otherwise only the gate's weight is used.
        residual: one of :data:`ACTIVATIONS`.
        light: narrow networks at a ninth of the work (ours) instead of the authors'.
    """

    def __init__(
        self, channels: int, items: int, *, gate: bool, generator: bool, residual: str, light: bool = False
    ) -> None:
        super().__init__()
        gate_of, generator_of = (_light_gate, _light_generator) if light else (AmplifierGate, _generator)
        self.gate = gate_of(channels, items) if gate else None
        self.generator = generator_of(channels) if generator else None
        self._to_residual = ACTIVATIONS[residual]

    def weight(self, features: Tensor) -> Tensor:
        """Compute how anomalous each location looks.

        Args:
            features: (B, C, h, w), the frozen teacher's.

        Returns:
            (B, h, w) in [0, 1]; 1 everywhere without a gate.
        """
        if self.gate is None:
            return features.new_ones((features.shape[0], *features.shape[-2:]))
        weight: Tensor = self.gate(features)
        return weight

    def residual(self, features: Tensor) -> Tensor:
        """Compute the residual before gating: (B, C, h, w); zero without a generator."""
        if self.generator is None:
            return torch.zeros_like(features)
        return self._to_residual(self.generator(features).to(features.dtype), features)

    def forward(self, features: Tensor, weight: Tensor | None = None) -> Tensor:
        """Amplify.

        Args:
            features: (B, C, h, w), the frozen teacher's.
            weight: (B, h, w), the ground truth in training; None for the gate's own.

        Returns:
            (B, C, h, w).
        """
        gate = self.weight(features) if weight is None else weight
        return torch.addcmul(features, gate[:, None].to(features.dtype), self.residual(features))


class AmplifierGate(nn.Module):
    """Match every location with learnt memory items; the weight is the probability of the anomalous ones.

    Args:
        channels: of the level.
        items: of each kind (L).
        depth: convolutions that make a query.
    """

    def __init__(self, channels: int, items: int, depth: int = 3) -> None:
        super().__init__()
        self.items = items
        self.query = _perceptron(channels, depth)
        self.memory = nn.Parameter(torch.randn(2 * items, channels))

    def forward(self, features: Tensor) -> Tensor:
        """Compute w^a, (B, h, w) in [0, 1], of features (B, C, h, w)."""
        _, channels, height, width = features.shape
        query = self.query(features + constant(position_encoding, channels, height, width, like=features))
        query = query.movedim(1, -1)
        directions = F.normalize(self.memory, dim=1).to(query.dtype)
        # Dividing by the lengths after the product is cheaper: a location has 2L numbers there instead of C. Cosines
        # are at most 1, so the softmax need not subtract a maximum before exp.
        length = torch.linalg.vector_norm(query, dim=-1, keepdim=True).float().clamp_min(SHORTEST)
        mass = (query @ directions.T).float().div_(TEMPERATURE * length).exp_()
        normal, anomalous = mass.unflatten(-1, (2, self.items)).sum(dim=-1).unbind(-1)
        weight: Tensor = anomalous / (anomalous + normal)
        return weight


@lru_cache(maxsize=32)
def position_encoding(channels: int, height: int, width: int) -> Tensor:
    """Encode positions by sines and cosines of their row, then of their column.

    Args:
        channels: of the features; a quarter each for sine and cosine of row and column, rounded up and cut.
        height: of the map.
        width: of the map.

    Returns:
        (channels, height, width) float32 in [-1, 1]; cached, so never change it.
    """
    quarter = math.ceil(channels / 4)
    waves = LONGEST_WAVE ** (-torch.arange(quarter) / quarter)
    rows, columns = (_sines(torch.arange(side)[None] * waves[:, None]) for side in (height, width))
    encodings = [rows[..., None].expand(-1, -1, width), columns[:, None].expand(-1, height, -1)]
    # Channels last, as the features are; otherwise adding the two is slow.
    return torch.cat(encodings)[None, :channels].contiguous(memory_format=torch.channels_last)[0]


def _sines(phases: Tensor) -> Tensor:
    return torch.cat([phases.sin(), phases.cos()])


def _generator(channels: int) -> nn.Sequential:
    return _perceptron(channels, depth=2)


def _light_gate(channels: int, items: int) -> nn.Sequential:
    """Build a gate that sees a level through fewer channels."""
    narrow = _narrow(channels)
    return nn.Sequential(nn.Conv2d(channels, narrow, 1), AmplifierGate(narrow, items, depth=2))


def _light_generator(channels: int) -> nn.Sequential:
    """Build a narrow generator whose residual is zero at first, so that a short stage I does no harm."""
    generator = _perceptron(channels, depth=2, hidden=_narrow(channels))
    for parameter in generator[-1].parameters():
        nn.init.zeros_(parameter)
    return generator


def _narrow(channels: int) -> int:
    return max(1, channels // NARROWING)


def _perceptron(channels: int, depth: int, hidden: int | None = None) -> nn.Sequential:
    """Build 1x1 convolutions with ReLU between them, drawn as the authors do, and as wide inside unless told."""
    hidden = hidden or min(2 * channels, WIDEST)
    widths = [channels, *[hidden] * (depth - 1), channels]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        conv = nn.Conv2d(inputs, outputs, 1)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        layers += [conv, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])
