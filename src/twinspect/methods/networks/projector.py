"""The projector of RD++: what of a level the student gets to see."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


class Projector(nn.Sequential):
    """Four 3x3 convolutions, C to C/2, C/4, C/2 and C, each with InstanceNorm and a leaky ReLU.

    Tien et al., CVPR 2023 (authors' code).

    Args:
        channels: of the level.
    """

    def __init__(self, channels: int) -> None:
        widths = (channels, channels // 2, channels // 4, channels // 2, channels)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1),
                nn.InstanceNorm2d(outputs),
                nn.LeakyReLU(inplace=True),
            ]
        super().__init__(*layers)
