"""The origin of a teacher's weights."""

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
    """The origin of weights.

    Attributes:
        sha256: of the file, or of random tensors.
        source: in words.
        licence: as far as known.
        notes: remarks.
    """

    sha256: str
    source: str
    licence: str
    notes: tuple[str, ...] = ()


def random_origin(backbone: nn.Module, seed: int) -> Origin:
    """Calibrate the BatchNorm of a network with random weights, and describe their origin.

    Args:
        backbone: takes (B, 3, H, W) float32; changed in place.
        seed: of its random weights.
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
