"""Buffers whose shape the training images decide."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class GatheredBuffers(nn.Module):
    """A module whose buffers are empty until they are gathered, and take any shape when they are loaded.

    Args:
        names: of the buffers.
    """

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = names
        for name in names:
            self.register_buffer(name, torch.empty(0))

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Load saved buffers, whatever their shapes."""
        for name in self._names:
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=getattr(self, name).device))
        super()._load_from_state_dict(state, prefix, *rest)
