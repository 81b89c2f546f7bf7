"""Where a teacher's weights came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinspect.teachers import weights
from twinspect.teachers.random_weights import calibrate_batchnorm

if TYPE_CHECKING:
    from torch import nn

RANDOM = "random"
"""What to type instead of a weights file for random weights."""


@dataclass(frozen=True)
class Origin:
    """Where weights came from.

    Attributes:
        sha256: of the file, or of random tensors.
        source: for people.
        licence: as far as known.
        notes: what was worth noting.
    """

    sha256: str
    source: str
    licence: str
    notes: tuple[str, ...] = ()


def random_origin(backbone: nn.Module, seed: int) -> Origin:
    """Settle the random weights that a network was built with, and say what they are.

    Args:
        backbone: takes (B, 3, H, W) float32; is changed.
        seed: that it was built with.
    """
    calibrate_batchnorm(backbone, seed)
    return Origin(
        weights.sha256_of_tensors(backbone.state_dict()),
        f"random, seed {seed}",
        "none needed: random weights",
        (
            "random weights, channels measured on pink noise: for tests and comparisons, not for finding defects",
        ),
    )
