"""Random tensors and counts of parameters, for tests of networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def picture(*shape: int, seed: int = 0) -> Tensor:
    """Draw standard normal numbers, always the same."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def count(module: nn.Module) -> int:
    """Count the parameters of a network."""
    return sum(parameter.numel() for parameter in module.parameters())
