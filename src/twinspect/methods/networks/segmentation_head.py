"""DeSTSeg's segmentation head: from products of features to the probability of an anomaly at each location.

Zhang et al., CVPR 2023 (arXiv 2211.11317), section 3.3: two residual blocks, atrous spatial pyramid pooling (Chen et
al. 2017, arXiv 1706.05587), a convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twinspect.methods.networks.reverse_decoder import ResidualBlock

RATES = (6, 12, 18)
"""Distances between what the 3x3 convolutions of the pyramid see, in locations."""
DROPPED = 0.5
"""Share of the pyramid's values that are dropped while training."""


class SegmentationHead(nn.Module):
    """Tell where images are anomalous.

    Args:
        channels: of the products.
        width: channels of all layers.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ResidualBlock(channels, width), ResidualBlock(width, width))
        self.head = nn.Sequential(AtrousPyramid(width), *_unit(width, width, 3), nn.Conv2d(width, 1, 1))

    def forward(self, products: Tensor) -> Tensor:
        """Turn (B, channels, h, w) into logits, (B, h, w)."""
        logits: Tensor = self.head(self.blocks(products))[:, 0]
        return logits


class AtrousPyramid(nn.Module):
    """See every location, its surroundings at three distances, and the whole map at once.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [(1, 1), *((3, rate) for rate in RATES)]
        self.branches = nn.ModuleList(nn.Sequential(*_unit(width, width, side, rate)) for side, rate in sizes)
        # Without BatchNorm, which cannot normalise the one value of a batch of one image.
        self.whole = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(inplace=True))
        self.join = nn.Sequential(*_unit((len(sizes) + 1) * width, width, 1), nn.Dropout(DROPPED))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, width, h, w)."""
        whole = self.whole(features.mean((2, 3), keepdim=True)).expand_as(features)
        joined: Tensor = self.join(torch.cat([*(branch(features) for branch in self.branches), whole], dim=1))
        return joined


def _unit(channels: int, width: int, side: int, rate: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, side, padding=rate * (side // 2), dilation=rate, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
