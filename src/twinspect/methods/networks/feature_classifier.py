"""Classifier of features: tells a teacher's normal features from anomalous ones, location by location.

Liu et al., CVPR 2023 (SimpleNet, arXiv 2303.15140): local averages, a linear adaptor, and a small discriminator that
learns from Gaussian noise on the adapted features. One a level here (ours; SimpleNet joins two levels first).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 1024
"""Maximum of channels inside the discriminator."""
LEAK = 0.2
"""Slope of the discriminator's activation below 0."""
NEIGHBOURHOOD = 3
"""Side of the square that features are averaged over, in locations."""


class FeatureClassifier(nn.Module):
    """Adaptor and discriminator of one level.

    Args:
        channels: of the level.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = min(channels, HIDDEN)
        self.adaptor = nn.Conv2d(channels, channels, 1)
        self.discriminator = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.LeakyReLU(LEAK, inplace=True),
            nn.Conv2d(hidden, 1, 1, bias=False),
        )

    def adapt(self, features: Tensor) -> Tensor:
        """Average the teacher's features locally and adapt them: (B, C, h, w), in float32 for the noise to come."""
        side = NEIGHBOURHOOD
        averaged = F.avg_pool2d(features, side, 1, side // 2, count_include_pad=False)
        adapted: Tensor = self.adaptor(averaged)
        return adapted.float()

    def forward(self, adapted: Tensor) -> Tensor:
        """Classify adapted features: (B, h, w), unbounded, higher is more anomalous."""
        logits: Tensor = self.discriminator(adapted)
        return logits[:, 0]
