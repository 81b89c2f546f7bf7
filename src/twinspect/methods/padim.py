"""PaDiM (Defard et al., ICPR 2020, arXiv 2011.08785): a Gaussian of good features at every place of the image.

Nothing is learnt in steps, one pass over the good images is all. A part must lie where it always lies: a place is
compared with the same place of the good images, so this needs a fixed camera and aligned parts.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch, Method, Output, Stage
from twinspect.methods.gathering import GATHER, GatheringConfig
from twinspect.methods.networks.place_gaussians import PlaceGaussians

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.teachers.base import Teacher

FEWEST: Final = 3
"""Images of which one can be left out: the covariance of the others takes two."""


@dataclass(frozen=True)
class PaDiMConfig(GatheringConfig):
    """Settings of PaDiM; the defaults are the paper's for ResNet-18."""

    PAPER_TEACHER: ClassVar[str] = "wide_resnet50_2"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"size": 256, "crop": 224, "channels": 550},
    }

    CROSS_CONFORMAL_BELOW: ClassVar[int] = 1_000_000
    RANGES: ClassVar[dict[str, str]] = {
        "channels": "[0, 65536]",
        "regularization": "(0, inf)",
        "sigma": "[0, 10000]",
    }

    channels: int = 100
    """features drawn at random from those of all levels; 0 takes all. The model holds this number's square at each
    place of the finest level, in 4 bytes each: 164 MB with 100 at 256 px"""
    regularization: float = 0.01
    """added to the covariance's diagonal, so that it can be inverted (epsilon)"""
    sigma: float = 4.0
    """blur of the map, in pixels of the model input"""


class PaDiM(Method[PaDiMConfig]):
    """A teacher, and Gaussians of a part of its features."""

    Config = PaDiMConfig

    chosen: Tensor
    out_of: int = 0
    """How many images were gathered, if the one that is scored is one of them and left out; 0 if it is not."""

    def __init__(self, teacher: Teacher, config: PaDiMConfig) -> None:
        super().__init__(teacher, config)
        total = sum(level.channels for level in teacher.levels)
        chosen = torch.randperm(total)[: config.channels or total].sort().values
        self.register_buffer("chosen", chosen)
        self.gaussians = PlaceGaussians()

    def check_tiles(self) -> None:
        """Refuse tiles: all would be compared with the same places, whatever part of the image they show."""
        raise ConfigError(
            "padim compares places of whole images, and tiles show different ones; use --method patchcore with "
            "--tile, or padim without it"
        )

    def stages(self) -> tuple[Stage, ...]:
        """Gather the features of all good images, once."""
        return (Stage.gathering(self.config, GATHER, self.gather),)

    def update_stages(self, absent: int) -> tuple[Stage, ...]:
        """Add images to the Gaussians."""
        return (Stage.gathering(self.config, GATHER, partial(self.gather, absent=absent)),)

    def gather(self, batches: Iterable[Batch], absent: int = 0) -> None:
        """Estimate the Gaussians, of so many images of before too."""
        features = (batch.targets[0] for batch in batches)
        self.gaussians.gather(features, self.config.regularization, absent)

    def targets(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the chosen features at the resolution of the finest level, one (B, C, h, w)."""
        return (_joined(self.teacher(images)).index_select(1, self.chosen),)

    def forward(self, images: Tensor) -> Output:
        """Map the Mahalanobis distances; the image score is the map's peak (section III)."""
        (features,), size = self.targets(images), (images.shape[-2], images.shape[-1])
        gaussians, out_of = self.gaussians, self.out_of
        distances = gaussians.left_out(features, out_of) if out_of else gaussians(features)
        return Output(maps.fuse([distances], size, self.config.sigma))

    def left_out(self, images: int) -> PaDiM | None:
        """Return a variant that takes an image of the fit out of the Gaussians before it scores it."""
        if images < FEWEST:
            return None
        variant = copy(self)
        variant.out_of = images
        return variant


def _joined(levels: Sequence[Tensor]) -> Tensor:
    """Join levels at the resolution of the first, each place taking what covers it: (B, C, h, w)."""
    size = levels[0].shape[-2:]
    enlarged = [level if level.shape[-2:] == size else F.interpolate(level, size=size) for level in levels]
    return torch.cat(enlarged, dim=1)
