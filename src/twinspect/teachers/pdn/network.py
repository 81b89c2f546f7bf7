"""Patch description networks (Batzner et al., WACV 2024, arXiv 2303.14535, tables 6 and 7): four or six convolutions.

Each feature sees 33 x 33 pixels and nothing beyond, at a stride of 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

Size = Literal["small", "medium"]
CHANNELS = 384
"""Features of a teacher at each location."""
STRIDE = 4
"""Pixels from one feature to the next."""
LEVEL = "patches"
"""Name of the only level."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and divisor of R, G and B in 0..1."""
INPUT_SIZE = 256
"""Side in pixels of the authors' images."""


class PatchDescriptionNetwork(nn.Module):
    """Describe patches of 33 x 33 pixels.

    Its zero padding gives a map of exactly a quarter of the image's sides where these are multiples of 4.

    Args:
        size: ``small`` or ``medium``.
        channels: features at each location; a student of the paper has twice as many as its teacher.
        width: inner channels as a share of the paper's.
    """

    def __init__(self, size: Size, channels: int = CHANNELS, width: float = 1.0) -> None:
        super().__init__()
        whole = (128, 256) if size == "small" else (256, 512)
        first, second = (max(1, round(width * inner)) for inner in whole)
        middle = [nn.Conv2d(second, second, 1), nn.ReLU(inplace=True)] if size == "medium" else []
        last = [nn.ReLU(inplace=True), nn.Conv2d(channels, channels, 1)] if size == "medium" else []
        self.layers = nn.Sequential(
            nn.Conv2d(3, first, 4, padding=3),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2, padding=1),
            nn.Conv2d(first, second, 4, padding=3),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2, padding=1),
            *middle,
            nn.Conv2d(second, second, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(second, channels, 4),
            *last,
        )

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Describe (B, 3, H, W) float, normalised images: one (B, channels, H/4, W/4) map."""
        return (self.layers(images),)

    @staticmethod
    def locations(side: int) -> int:
        """Count the features along a side of so many pixels."""
        return ((side + 3) // 2 + 4) // 2 - 2
