"""The network of the pocket teacher: a ResNet-18 whose blocks are narrow inside, without BatchNorm.

Why this architecture: on a CPU, dense 3x3 convolutions are the most optimised operation, while depthwise ones
(MobileNet, MobileOne) are bound by memory. Half of the filters of the stem and of the inner channels of every
block are removed, which halves the work (channel pruning: He et al., ICCV 2017); the skips are complete. So the
network keeps its expert's depth, receptive fields and meaning of every channel, and is close to it before any
training. A small network trained from scratch did not come as close. `scripts/pocket/prune.py` does the pruning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

STEM = 32
"""Channels of the first convolution."""
PLAN: tuple[tuple[str, tuple[tuple[int, int, int, int], ...]], ...] = (
    ("stage1", ((STEM, 32, 64, 1), (64, 32, 64, 1))),
    ("stage2", ((64, 64, 128, 2), (128, 64, 128, 1))),
    ("stage3", ((128, 128, 256, 2), (256, 128, 256, 1))),
)
"""Stages by name, fine to coarse: channels in, inside and out of each block, and its stride."""
NAMES = tuple(name for name, _ in PLAN)
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
"""Mean and divisor of R, G and B in 0..1. They are its own, since it was trained on more than photographs."""
INPUT_SIZE = 256
"""Side in pixels of the images that its features were evaluated on."""


class PocketNetwork(nn.Module):
    """Compute the features of some stages; deeper stages are not built.

    Args:
        levels: names out of :data:`NAMES`, fine to coarse.
    """

    def __init__(self, levels: Sequence[str] = NAMES) -> None:
        super().__init__()
        self.levels = tuple(levels)
        depth = NAMES.index(self.levels[-1]) + 1
        self.stem = nn.Conv2d(3, STEM, 7, 2, padding=3)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.stages = nn.ModuleDict(
            {name: nn.Sequential(*(Block(*sizes) for sizes in blocks)) for name, blocks in PLAN[:depth]}
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe (B, 3, H, W) float, normalised images: one (B, C, H/4, W/4) or coarser map per level, >= 0."""
        images = self.stem_features(images)
        features = []
        for name, stage in self.stages.items():
            images = stage(images)
            if name in self.levels:
                features.append(images)
        return tuple(features)

    def stem_features(self, images: Tensor) -> Tensor:
        """Compute the input of the first stage: (B, STEM, H/4, W/4), >= 0."""
        features: Tensor = self.pool(functional.relu(self.stem(images), inplace=True))
        return features


class Block(nn.Module):
    """Two 3x3 convolutions beside a skip.

    Args:
        inputs: channels in.
        inner: channels between the convolutions.
        outputs: channels out; where they or the size change, the skip is a 1x1 convolution.
        stride: of the first convolution and of the skip.
    """

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, inner, 3, stride, padding=1)
        self.second = nn.Conv2d(inner, outputs, 3, padding=1)
        same = inputs == outputs and stride == 1
        self.skip = None if same else nn.Conv2d(inputs, outputs, 1, stride)

    def pre_activation(self, images: Tensor) -> Tensor:
        """Return (B, outputs, h, w) before the last ReLU."""
        inner = functional.relu(self.first(images), inplace=True)
        skipped: Tensor = images if self.skip is None else self.skip(images)
        added: Tensor = self.second(inner).add_(skipped)
        return added

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, outputs, h, w), >= 0."""
        return functional.relu(self.pre_activation(images), inplace=True)
