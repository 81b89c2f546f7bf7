"""Settings of methods that gather their training images in one pass instead of learning from them in steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twinspect.methods.config import MethodConfig

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from typing_extensions import Self

GATHER = "gather"
"""The only stage of such a method."""


@dataclass(frozen=True)
class GatheringConfig(MethodConfig):
    """Settings of a method without optimiser steps; what says how long to learn is accepted and changes nothing."""

    steps: int = 1
    """not used: one pass over the images is all"""
    epochs: int = 0
    """not used: one pass over the images is all"""
    batch_size: int = 16
    """images that are gathered at once"""
    learning_rate: float = 1e-3
    """not used: nothing is learnt by steps"""

    def total_steps(self, images: int, held_out: Mapping[str, int] | None = None) -> int:  # noqa: ARG002
        """Return 0: there are no optimiser steps."""
        return 0

    def of_length(
        self,
        length: int,  # noqa: ARG002 - of the base class, and so are the others
        field: Literal["steps", "epochs"],  # noqa: ARG002
        given: Collection[str] = (),  # noqa: ARG002
    ) -> Self:
        """Return the same settings: the length is always one pass."""
        return self
