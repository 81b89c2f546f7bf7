"""The network of the pocket teacher: a stem and one residual block a stage, of plain convolutions and ReLU.

Why this shape. On a CPU dense 3x3 convolutions are the best-tuned operation there is, so a step of them costs less
than its count of multiplications says; depthwise ones (MobileNet, MobileOne) are bound by memory and train slower
than they run. It is a ResNet-18 (He et al., CVPR 2016) without every second block, the fourth stage and a quarter of
the stem's channels, so that training can start from the layers of an expert of that family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

STEM = 48
"""Channels of the stem, a 7x7 convolution of stride 2 and a pooling that halves again."""
PLAN: tuple[tuple[str, int, int, int], ...] = (
    ("stage1", STEM, 64, 1),
    ("stage2", 64, 128, 2),
    ("stage3", 128, 256, 2),
)
"""Stages, fine to coarse: name, channels in, channels out, stride."""
NAMES = tuple(name for name, *_ in PLAN)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Subtracted from and divided by, R, G and B in 0..1: those of the expert that training starts from."""
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
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM, 7, 2, padding=3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)
        )
        self.stages = nn.ModuleDict({name: Block(*shape) for name, *shape in PLAN[:depth]})

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Describe (B, 3, H, W) float, normalised images: one (B, C, H/4, W/4) and coarser map a level, >= 0."""
        features, found = self.stem(images), []
        for name, stage in self.stages.items():
            features = stage(features)
            if name in self.levels:
                found.append(features)
        return tuple(found)


class Block(nn.Module):
    """Two 3x3 convolutions and a 1x1 shortcut around them; ReLU after the sum.

    Args:
        channels: in.
        width: channels out.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, stride, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, width, 1, stride)

    def before(self, features: Tensor) -> Tensor:
        """Give the sum before its ReLU, (B, width, h, w)."""
        total: Tensor = self.second(self.first(features).relu_()) + self.shortcut(features)
        return total

    def forward(self, features: Tensor) -> Tensor:
        """Give (B, width, h, w), >= 0."""
        return self.before(features).relu_()
