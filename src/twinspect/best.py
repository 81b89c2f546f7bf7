"""Keeping the state of networks at which they did best on held-out images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Best:
    """The state in which some modules had the lowest loss.

    Args:
        modules: whose state is copied and put back.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = nn.ModuleList(modules)
        self.loss = math.inf
        self.tensors: dict[str, Tensor] = {}

    def offer(self, loss: float) -> None:
        """Copy the modules' state if this loss is the lowest so far."""
        if loss < self.loss:
            self.loss = loss
            self.tensors = {name: t.detach().clone() for name, t in self._modules.state_dict().items()}

    def put_back(self) -> None:
        """Load the best state into the modules; without any, they stay as they are."""
        if self.tensors:
            self._modules.load_state_dict(self.tensors)
