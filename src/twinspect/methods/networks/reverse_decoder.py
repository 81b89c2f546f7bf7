"""The networks of reverse distillation: a bottleneck that joins all levels, and a decoder that rebuilds them.

Deng & Li, CVPR 2022 (arXiv 2201.10703), section 3. Both are derived from the teacher's own stages; nothing is
specific to one backbone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.methods.networks.backbone_stages import BackboneStage

SHALLOW = 2
"""Blocks of a ResNet-18's stage; deeper networks have three or more in their first one."""


class BlockCounts(NamedTuple):
    """How many residual blocks a student has.

    Attributes:
        embedding: in the one-class embedding.
        decoder: in each stage of the decoder, coarse to fine.
    """

    embedding: int
    decoder: tuple[int, ...]

    @classmethod
    def of(cls, stages: Sequence[BackboneStage], blocks: Literal["authors", "mirror"]) -> BlockCounts:
        """Count them.

        Args:
            stages: the teacher's, fine to coarse.
            blocks: ``authors``: as in their code, where the decoder has the teacher's numbers in the teacher's order
                (of ResNet-50 three at the coarsest level, where the teacher has six), and the embedding two blocks
                for ResNet-18 and three for deeper networks. ``mirror``: the teacher's numbers in reverse, and three.
        """
        counts = tuple(stage.blocks for stage in stages)
        if blocks == "mirror":
            return cls(3, counts[::-1])
        is_deep = stages[-1].inner > 0 or counts[0] > SHALLOW
        return cls(3 if is_deep else 2, counts)


class Bottleneck(nn.Module):
    """Fuse all levels at the coarsest stride, then embed them at half its resolution (sections 3.2 and 3.3).

    Args:
        stages: the teacher's, fine to coarse.
        blocks: residual blocks of the embedding.
    """

    def __init__(self, stages: Sequence[BackboneStage], blocks: int) -> None:
        super().__init__()
        coarsest = stages[-1]
        self.reach = nn.ModuleList(_downsampling(stage, coarsest) for stage in stages)
        width = 2 * coarsest.channels
        inner = width * coarsest.inner // coarsest.channels
        joined = len(stages) * coarsest.channels
        embed = [ResidualBlock(joined, width, inner, scale=0.5)]
        embed += [ResidualBlock(width, width, inner) for _ in range(blocks - 1)]
        self.embed = nn.Sequential(*embed)
        self.width = width

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Embed teacher features.

        Args:
            levels: one (B, C_k, h_k, w_k) per level, fine to coarse; sides halve exactly from level to level.

        Returns:
            (B, 2 C_K, h_K / 2, w_K / 2), not negative.
        """
        downsampled = [reach(level) for reach, level in zip(self.reach, levels, strict=True)]
        embedded: Tensor = self.embed(torch.cat(downsampled, dim=1))
        return embedded


class Decoder(nn.Module):
    """Rebuild the levels from the embedding, coarse to fine, with blocks like the teacher's.

    Args:
        stages: the teacher's, fine to coarse.
        width: channels of the embedding, whose stride is twice the coarsest level's.
        blocks: residual blocks of each stage of the decoder, coarse to fine.
    """

    def __init__(self, stages: Sequence[BackboneStage], width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        reduction = 2 * stages[-1].reduction
        for stage, count in zip(reversed(stages), blocks, strict=True):
            self.stages.append(_rebuilding(stage, width, reduction // stage.reduction, count))
            width, reduction = stage.channels, stage.reduction

    def forward(self, embedding: Tensor) -> tuple[Tensor, ...]:
        """Rebuild (B, C_k, h_k, w_k) maps, fine to coarse, shaped like the teacher's."""
        levels = []
        for stage in self.stages:
            embedding = stage(embedding)
            levels.append(embedding)
        return tuple(reversed(levels))


class ResidualBlock(nn.Module):
    """A residual block of two 3x3 convolutions, or of a 1x1, a 3x3 and a 1x1 one; ReLU after the sum.

    Args:
        channels: in.
        width: channels out.
        inner: channels of the 3x3 convolution of a bottleneck; 0 for two 3x3 convolutions of `width`.
        scale: factor on the sides: 1, 1/2 by a strided convolution, or 2, 4, ... by a transposed one.
        signed: leave out the last ReLU, because the rebuilt features may be negative.
    """

    def __init__(
        self, channels: int, width: int, inner: int = 0, *, scale: float = 1, signed: bool = False
    ) -> None:
        super().__init__()
        if inner:
            layers = [
                *conv_unit(channels, inner, 1),
                *_spatial(inner, inner, scale),
                *conv_unit(inner, width, 1),
            ]
        else:
            layers = [*_spatial(channels, width, scale), *conv_unit(width, width, 3)]
        self.body = nn.Sequential(*layers[:-1])  # the last ReLU comes after the sum
        self.shortcut = _shortcut(channels, width, scale)
        self.last = nn.Identity() if signed else nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, width, scale h, scale w)."""
        out: Tensor = self.last(self.body(features) + self.shortcut(features))
        return out


def _downsampling(stage: BackboneStage, coarsest: BackboneStage) -> nn.Sequential:
    """Bring a level to the coarsest stride by strided 3x3 convolutions; the width doubles with each halving."""
    layers: list[nn.Module] = []
    channels, reduction = stage.channels, stage.reduction
    while reduction < coarsest.reduction:
        reduction *= 2
        last = reduction == coarsest.reduction
        width = coarsest.channels if last else min(2 * channels, coarsest.channels)
        layers += conv_unit(channels, width, 3, stride=2)
        channels = width
    return nn.Sequential(*layers)


def _rebuilding(stage: BackboneStage, channels: int, scale: int, count: int) -> nn.Sequential:
    """Build the blocks that rebuild a stage's level."""
    blocks = []
    for number in range(count):
        signed = stage.signed and number == count - 1
        blocks.append(ResidualBlock(channels, stage.channels, stage.inner, scale=scale, signed=signed))
        channels, scale = stage.channels, 1
    return nn.Sequential(*blocks)


def _spatial(channels: int, width: int, scale: float) -> list[nn.Module]:
    """Build the convolution of a block that changes the size, with BatchNorm and ReLU."""
    if scale > 1:
        return conv_unit(channels, width, int(scale), stride=int(scale), transposed=True)
    return conv_unit(channels, width, 3, stride=round(1 / scale))


def _shortcut(channels: int, width: int, scale: float) -> nn.Module:
    if scale > 1:
        layers = conv_unit(channels, width, int(scale), stride=int(scale), transposed=True)
    elif scale < 1 or channels != width:
        layers = conv_unit(channels, width, 1, stride=round(1 / scale))
    else:
        return nn.Identity()
    return nn.Sequential(*layers[:-1])


def conv_unit(
    channels: int, width: int, side: int, *, stride: int = 1, groups: int = 1, transposed: bool = False
) -> list[nn.Module]:
    """Build convolution, BatchNorm and ReLU.

    Args:
        channels: in.
        width: channels out.
        side: of the kernel.
        stride: by which the sides shrink, or grow where it is transposed.
        groups: into which the channels are divided.
        transposed: whether the convolution is a transposed one, without groups.
    """
    rest = (nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    if transposed:  # starts as torch makes it (authors' code)
        return [nn.ConvTranspose2d(channels, width, side, stride, bias=False), *rest]
    conv = nn.Conv2d(channels, width, side, stride, padding=side // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return [conv, *rest]
