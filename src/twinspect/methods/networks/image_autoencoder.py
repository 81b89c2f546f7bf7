"""EfficientAD's autoencoder: from an image through one vector to the features of a teacher.

Batzner et al., WACV 2024 (arXiv 2303.14535), table 8; for images of 256 px it is theirs, for others its sides go
along.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from twinspect.methods.networks.resizing import resized

if TYPE_CHECKING:
    from torch import Tensor

HALVINGS = 5
"""Convolutions that halve the image before the one that makes a vector of it."""
WIDTH = 64
"""Channels of the vector and of the decoder."""
DROPPED = 0.2
"""Share of the decoder's values that are dropped while training."""


class ImageAutoencoder(nn.Module):
    """Describe images as their teacher does, by way of one vector.

    Args:
        height: of the images in pixels; 32 or more.
        width: of the images in pixels; 32 or more.
        channels: of the description.
    """

    def __init__(self, height: int, width: int, channels: int) -> None:
        super().__init__()
        widths = (3, 32, 32, WIDTH, WIDTH, WIDTH)
        layers: list[nn.Module] = []
        vector = (height >> HALVINGS, width >> HALVINGS)
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.ReLU(inplace=True)]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(WIDTH, WIDTH, vector))
        self._sizes = list(zip(_sides(height), _sides(width), strict=True))
        self.growing = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 4, padding=2) for _ in self._sizes)
        self.drop = nn.Dropout(DROPPED)
        self.last = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, channels, 3, padding=1),
        )

    def forward(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Describe (B, 3, height, width) images by (B, channels, *size)."""
        features = self.encoder(images)
        for grown, convolution in zip(self._sizes, self.growing, strict=True):
            features = self.drop(functional.relu(convolution(resized(features, grown))))
        described: Tensor = self.last(resized(features, size))
        return described


def _sides(side: int) -> list[int]:
    """List the sides that the decoder grows to; for images of 256 px: 3, 8, 15, 32, 63 and 127."""
    first = [max(1, side // 64 - 1), max(1, side // 32), max(1, side // 16 - 1)]
    return [*first, side // 8, side // 4 - 1, side // 2 - 1]
