"""RD: reverse distillation (Deng & Li, CVPR 2022, arXiv 2201.10703).

The teacher's levels pass through a bottleneck trained on good images alone, and a decoder rebuilds them from it,
coarse to fine. Anomalous features do not pass the bottleneck; they are not rebuilt and show as a difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch, Method, Output, Stage, constant
from twinspect.methods.config import LAST_STAGE, MethodConfig
from twinspect.methods.input_size import spelled
from twinspect.methods.losses import agreeing_outside, direction_loss
from twinspect.methods.networks.backbone_stages import backbone_stages
from twinspect.methods.networks.light_student import LightStudent
from twinspect.methods.networks.reverse_decoder import BlockCounts, Bottleneck, Decoder
from twinspect.methods.schedules import stepped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from twinspect.teachers.base import Teacher


@dataclass(frozen=True)
class RDConfig(MethodConfig):
    """Settings of RD; the defaults are the authors' unless a field says otherwise."""

    PAPER_TEACHER: ClassVar[str] = "wide_resnet50_2"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"size": 256, "epochs": 200, "decay": False, "blocks": "authors"},
        "edge": {"student": "light"},
    }
    EARLIER: ClassVar[dict[str, Any]] = {"blocks": "mirror"}

    RANGES: ClassVar[dict[str, str]] = {"sigma": "[0, 10000]"}

    size: int | str = 256
    """side of the square that the teacher sees, in pixels; a multiple of twice the coarsest stride"""
    steps: int = 400
    """optimiser steps (ours; the authors train 200 epochs); ignored where epochs is given"""
    learning_rate: float = 5e-3
    """step size of Adam, whose betas are 0.5 and 0.999"""
    decay: bool = True
    """multiply the step size by 0.2 at 80 % and again at 90 % of the training (ours for RD; AAND's code)"""
    sigma: float = 4.0
    """blur of the map, in pixels of the model input"""
    blocks: Literal["authors", "mirror"] = "authors"
    """residual blocks of the student: as many as in the authors' code, or those of the teacher in reverse, as in
    models of earlier versions"""
    student: Literal["full", "light"] = "full"
    """full: of the teacher's own blocks; light: of narrow ones, a tenth of the work (ours), whatever blocks says"""


def adam(rate: float) -> Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]:
    """Make the authors' optimiser."""
    return partial(torch.optim.Adam, lr=rate, betas=(0.5, 0.999), fused=True)


class Student(nn.Module):
    """Bottleneck and decoder: teacher features in, rebuilt features out.

    Args:
        teacher: whose architecture they mirror.
        blocks: how residual blocks are counted, see :meth:`.BlockCounts.of`.
    """

    def __init__(self, teacher: Teacher, blocks: Literal["authors", "mirror"]) -> None:
        super().__init__()
        stages = backbone_stages(teacher)
        counts = BlockCounts.of(stages, blocks)
        self.bottleneck = Bottleneck(stages, counts.embedding)
        self.decoder = Decoder(stages, self.bottleneck.width, counts.decoder)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Rebuild one (B, C_k, h_k, w_k) map per level, fine to coarse."""
        rebuilt: tuple[Tensor, ...] = self.decoder(self.bottleneck(levels))
        return rebuilt


def check_halving(method: str, teacher: Teacher, height: int, width: int, *, is_cropped: bool) -> None:
    """Refuse image sizes in pixels that cannot be halved exactly down to a student's embedding.

    Raises:
        ConfigError: names the nearest allowed size.
    """
    check_multiple(method, teacher, 2 * teacher.levels[-1].reduction, height, width, is_cropped=is_cropped)


def check_multiple(
    method: str, teacher: Teacher, unit: int, height: int, width: int, *, is_cropped: bool
) -> None:
    """Refuse image sizes in pixels that are no multiples of a unit.

    Raises:
        ConfigError: names the nearest allowed size.
    """
    if height % unit or width % unit:
        near = spelled(*(max(1, round(side / unit)) * unit for side in (height, width)))
        raise ConfigError(
            f"{method} with {teacher.name} needs a size that is a multiple of {unit}, got {height}x{width}; "
            f"type: --{'crop' if is_cropped else 'size'} {near}"
        )


class RD(Method[RDConfig]):
    """A teacher, and a student that rebuilds its features backwards."""

    Config = RDConfig

    def __init__(self, teacher: Teacher, config: RDConfig) -> None:
        super().__init__(teacher, config)
        is_light = config.student == "light"
        self.student = LightStudent(teacher) if is_light else Student(teacher, config.blocks)

    def check_size(self, height: int, width: int) -> None:
        """Refuse sizes that cannot be halved exactly down to the embedding."""
        name = type(self).__name__.lower()
        check_halving(name, self.teacher, height, width, is_cropped=self.config.crop > 0)

    def stages(self) -> tuple[Stage, ...]:
        """Train bottleneck and decoder together."""
        optimizer = adam(self.config.learning_rate)
        rate = stepped if self.config.decay else constant
        distil = Stage.of(self.config, LAST_STAGE, (self.student,), optimizer, self.loss, rate)
        return (replace(distil, pixels=False),)

    def loss(self, batch: Batch) -> Tensor:
        """Sum 1 - cos(vec F_T, vec F_S) over levels, averaged over the batch (the authors' code)."""
        pairs = self.feature_pairs(batch.targets)
        levels = [self.disagreement(t, agreeing_outside(t, s, batch.inside)) for t, s in pairs]
        return torch.stack(levels).sum(dim=0).mean()

    def disagreement(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Compare (B, C, h, w) features of one level: (B,)."""
        return direction_loss(teacher, student)

    def feature_pairs(self, levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Rebuild the teacher's features: (target, rebuilt), level by level."""
        rebuilt = self.student(levels)
        return [(level, output.to(level.dtype)) for level, output in zip(levels, rebuilt, strict=True)]

    def forward(self, images: Tensor) -> Output:
        """Sum the cosine distances of all levels; the image score is the map's peak (section 3.4)."""
        return self.fuse(images, [maps.cosine_map(t, s) for t, s in self.feature_pairs(self.targets(images))])

    def fuse(self, images: Tensor, levels: Sequence[Tensor]) -> Output:
        """Sum the maps of the levels at the size of the images, and blur the sum."""
        return Output(maps.fuse(levels, (images.shape[-2], images.shape[-1]), self.config.sigma))
