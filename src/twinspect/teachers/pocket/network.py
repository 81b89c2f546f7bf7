"""The network of the pocket teacher: a ResNet-18 whose blocks are narrow inside, without BatchNorm.

Why this shape. On a CPU dense 3x3 convolutions are the best-tuned operation there is: depthwise ones
(MobileNet, MobileOne) are bound by memory. Half of the filters of the stem and of the inner channels of every
block are gone, which halves the work (channel pruning: He et al., ICCV 2017); the skips are whole. So the
network keeps the depth of its expert, what a feature sees and the meaning of every channel, and is close to it
before it has learnt anything. A small network that begins from nothing did not come as near.
`scripts/pocket/prune.py` prunes; this is what remains.
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
        self.stem = nn.Conv2d(3, STEM, 7, 2, padding=3)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.stages = nn.ModuleDict(
            {name: nn.Sequential(*(Block(*sizes) for sizes in blocks)) for name, blocks in PLAN[:depth]}
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe (B, 3, H, W) float, normalised images: one (B, C, H/4, W/4) and coarser map a level, >= 0."""
        images = self.start(images)
        features = []
        for name, stage in self.stages.items():
            images = stage(images)
            if name in self.levels:
                features.append(images)
        return tuple(features)

    def start(self, images: Tensor) -> Tensor:
        """Give what the first stage sees: (B, STEM, H/4, W/4), >= 0."""
        started: Tensor = self.pool(functional.relu(self.stem(images), inplace=True))
        return started


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

    def before(self, images: Tensor) -> Tensor:
        """Give (B, outputs, h, w) before the last ReLU."""
        inner = functional.relu(self.first(images), inplace=True)
        skipped: Tensor = images if self.skip is None else self.skip(images)
        added: Tensor = self.second(inner).add_(skipped)
        return added

    def forward(self, images: Tensor) -> Tensor:
        """Give (B, outputs, h, w), >= 0."""
        return functional.relu(self.before(images), inplace=True)
