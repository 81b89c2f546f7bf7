"""The stages of a teacher's backbone that a decoder mirrors, observed in a forward pass."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from twinspect.utils.devices import device_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.teachers.base import Teacher

PROBE = 64
"""Minimum side of the probe image, in pixels."""
NARROWER = 0.75
"""A stage whose spatial convolutions have fewer than this share of its channels consists of bottlenecks."""


@dataclass(frozen=True)
class BackboneStage:
    """One stage of a backbone, which ends in a level.

    Attributes:
        channels: of the level.
        reduction: its stride in pixels.
        signed: whether its features may be negative.
        blocks: number of residual blocks with the work of the stage.
        inner: channels between the two 1x1 convolutions of a bottleneck; 0 for blocks of two 3x3 convolutions.
    """

    channels: int
    reduction: int
    signed: bool
    blocks: int
    inner: int


def backbone_stages(teacher: Teacher) -> tuple[BackboneStage, ...]:
    """Find the stages of a teacher, fine to coarse.

    Spatial convolutions (larger than 1x1) are counted by their stride: a bottleneck of a ResNet has
    one, narrower than its level; a basic block has two. So ResNet-18 has 2, 2, 2 basic blocks, ResNet-50 has
    3, 4, 6 bottlenecks, and other networks get one basic block for every two such convolutions.

    Args:
        teacher: is run on one image.
    """
    widths = _widths_by_stride(teacher)
    return tuple(
        _stage(level.channels, level.reduction, level.signed, widths.get(level.reduction, []))
        for level in teacher.levels
    )


def _stage(channels: int, reduction: int, signed: bool, widths: Sequence[int]) -> BackboneStage:
    inner = int(statistics.median(widths)) if widths else channels
    if inner < NARROWER * channels:
        return BackboneStage(channels, reduction, signed, len(widths), inner)
    return BackboneStage(channels, reduction, signed, max(1, len(widths) // 2), 0)


def _widths_by_stride(teacher: Teacher) -> dict[int, list[int]]:
    """List the output channels of the spatial convolutions that work at each stride."""
    card = teacher.card
    unit = max(card.multiple, teacher.levels[-1].reduction)
    side = card.fixed or -(-PROBE // unit) * unit
    widths: dict[int, list[int]] = {}

    def record(layer: nn.Module, _inputs: object, outputs: Tensor) -> None:
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1:
            widths.setdefault(round(side / outputs.shape[-1]), []).append(layer.out_channels)

    hooks = [m.register_forward_hook(record) for m in teacher.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        # Where another model of the same fit has put it.
        teacher(torch.zeros(1, 3, side, side, device=device_of(teacher)))
    for hook in hooks:
        hook.remove()
    return widths
