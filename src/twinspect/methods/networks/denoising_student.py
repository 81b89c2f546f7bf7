"""DeSTSeg's student: an encoder like the teacher's that starts from random weights, and a decoder without skips.

Zhang et al., CVPR 2023 (arXiv 2211.11317), section 3.2. Of a ResNet-18 it is theirs: four stages of two basic blocks
each way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from twinspect.methods.networks.resizing import resized
from twinspect.methods.networks.reverse_decoder import ResidualBlock
from twinspect.teachers.rebuilding import sibling

if TYPE_CHECKING:
    from twinspect.teachers.base import Teacher

BLOCKS = 2
"""Residual blocks of a stage."""


class DenoisingStudent(nn.Module):
    """Tell the teacher's features of a clean image from a corrupted one.

    Args:
        teacher: whose architecture the encoder has, up to its last level; one more stage at half the resolution and
            of twice the channels follows.
    """

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        levels = teacher.levels
        # A drawn seed follows the training's seed and does not repeat the weights of a random teacher.
        self.encoder = sibling(teacher, [level.name for level in levels], seed=int(torch.randint(2**31, ())))
        widest = 2 * levels[-1].channels
        self.deepest = _stage(levels[-1].channels, widest, scale=0.5)
        self.stages = nn.ModuleList([_stage(widest, widest)])
        for level in reversed(levels):
            self.stages.append(_stage(widest, level.channels, signed=level.signed))
            widest = level.channels

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe (B, 3, H, W) images by one (B, C_k, h_k, w_k) map per level of the teacher, fine to coarse."""
        encoded = tuple(self.encoder(images))
        deepest, *stages = self.stages
        features = deepest(self.deepest(encoded[-1]))
        levels = []
        for stage, like in zip(stages, reversed(encoded), strict=True):
            features = stage(resized(features, (like.shape[-2], like.shape[-1])))
            levels.append(features)
        return tuple(reversed(levels))


def _stage(channels: int, width: int, *, scale: float = 1, signed: bool = False) -> nn.Sequential:
    last = ResidualBlock(width, width, signed=signed)
    return nn.Sequential(ResidualBlock(channels, width, scale=scale), last)
