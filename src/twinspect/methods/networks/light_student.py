"""A light student of reverse distillation: its bottleneck and decoder at a tenth of the work (ours).

Levels are halved by separable convolutions: a 3x3 one of each channel by itself, then a 1x1 one. The decoder enlarges
by repeating what a 1x1 convolution made, and its residual blocks are narrow between two 1x1 convolutions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from twinspect.methods.networks.backbone_stages import backbone_stages
from twinspect.methods.networks.reverse_decoder import ResidualBlock, conv_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.methods.networks.backbone_stages import BackboneStage
    from twinspect.teachers.base import Teacher

BLOCKS, NARROWING = 2, 4
"""Residual blocks of each level, and how many times narrower they are inside."""


class LightStudent(nn.Module):
    """Bottleneck and decoder: teacher features in, rebuilt features out.

    Args:
        teacher: whose levels it rebuilds.
    """

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        stages = backbone_stages(teacher)
        coarsest = stages[-1]
        self.reach = nn.ModuleList(_downsampling(stage, coarsest) for stage in stages)
        # Twice as wide as the coarsest level, as in the full student: half of that finds 15 points less on aliens.
        width, inner = 2 * coarsest.channels, coarsest.channels // 2
        joined = conv_unit(len(stages) * coarsest.channels, inner, 1)
        self.embed = nn.Sequential(*joined, *conv_unit(inner, width, 3, stride=2))
        self.stages = nn.ModuleList()
        reduction = 2 * coarsest.reduction
        for stage in reversed(stages):
            self.stages.append(_rebuilding(stage, width, reduction // stage.reduction))
            width, reduction = stage.channels, stage.reduction

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Rebuild one (B, C_k, h_k, w_k) map per level, fine to coarse, whose sides halve from level to level."""
        downsampled = [reach(level) for reach, level in zip(self.reach, levels, strict=True)]
        features = self.embed(torch.cat(downsampled, dim=1))
        rebuilt = []
        for stage in self.stages:
            features = stage(features)
            rebuilt.append(features)
        return tuple(reversed(rebuilt))


def _downsampling(stage: BackboneStage, coarsest: BackboneStage) -> nn.Sequential:
    """Bring a level to the coarsest stride; the width doubles with each halving, up to the coarsest level's."""
    layers: list[nn.Module] = []
    channels, reduction = stage.channels, stage.reduction
    while reduction < coarsest.reduction:
        reduction *= 2
        width = coarsest.channels if reduction == coarsest.reduction else min(2 * channels, coarsest.channels)
        layers += _separable(channels, width)
        channels = width
    return nn.Sequential(*layers)


def _separable(channels: int, width: int) -> list[nn.Module]:
    """Build a 3x3 convolution of stride 2 for each channel by itself, a 1x1 one for all, BatchNorms and a ReLU."""
    return [*conv_unit(channels, channels, 3, stride=2, groups=channels)[:-1], *conv_unit(channels, width, 1)]


def _rebuilding(stage: BackboneStage, channels: int, scale: int) -> nn.Sequential:
    """Build what enlarges the coarser level and turns it into a stage's."""
    layers: list[nn.Module] = conv_unit(channels, stage.channels, 1)[:-1]
    if scale > 1:
        layers.append(nn.Upsample(scale_factor=scale, mode="nearest"))
    inner = max(1, stage.channels // NARROWING)
    for number in range(BLOCKS):
        signed = stage.signed and number == BLOCKS - 1
        layers.append(ResidualBlock(stage.channels, stage.channels, inner, signed=signed))
    return nn.Sequential(*layers)
