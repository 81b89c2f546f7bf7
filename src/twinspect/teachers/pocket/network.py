"""The network of the pocket teacher: plain 3x3 convolutions and ReLU, nothing else.

Why this shape. On a CPU dense 3x3 convolutions are the best-tuned operation there is, so a step of them costs
less than its count of multiplications says; depthwise ones (MobileNet, MobileOne) are bound by memory and
train slower than they run. Skips and 1x1 branches help training only: RepVGG (Ding et al., CVPR 2021) folds
them into the 3x3 kernel afterwards. The training script does so, and this is what remains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

PLAN: tuple[tuple[str, tuple[tuple[int, int, int, int], ...]], ...] = (
    ("stage1", ((3, 32, 2, 1), (32, 64, 2, 1), (64, 64, 1, 1))),
    ("stage2", ((64, 128, 2, 1), (128, 128, 1, 1), (128, 128, 1, 1))),
    ("stage3", ((128, 192, 2, 1), (192, 192, 1, 2), (192, 256, 1, 2))),
)
"""Stages by name, fine to coarse: channels in, channels out, stride and dilation of each 3x3 convolution.

The last two are dilated so that a coarse feature sees 199 pixels, about as many as one of ResNet-18's third layer
(211): whole parts at 256 px. Dilation costs next to nothing.
"""
NAMES = tuple(name for name, _ in PLAN)
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
"""Subtracted from and divided by, R, G and B in 0..1. Its own: it was trained on more than photographs."""
INPUT_SIZE = 256
"""Side in pixels of the images that its features were judged on."""


class PocketNetwork(nn.Module):
    """Give the features of some stages; what lies deeper than the last of them is not built.

    Args:
        levels: names out of :data:`NAMES`, fine to coarse.
    """

    def __init__(self, levels: Sequence[str] = NAMES) -> None:
        super().__init__()
        self.levels = tuple(levels)
        depth = NAMES.index(self.levels[-1]) + 1
        self.stages = nn.ModuleDict({name: _stage(steps) for name, steps in PLAN[:depth]})

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe (B, 3, H, W) float, normalised images: one (B, C, H/4, W/4) and coarser map a level, >= 0."""
        features = []
        for name, stage in self.stages.items():
            images = stage(images)
            if name in self.levels:
                features.append(images)
        return tuple(features)


def _stage(steps: Sequence[tuple[int, int, int, int]]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs, stride, dilation in steps:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation)
        layers += [convolution, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
