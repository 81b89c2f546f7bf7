"""Batches of views, each decided by the seed and its number alone, so that a training can go on anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from augment import crops, spoil

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from sources import Source

SIDES, OFTEN = (64, 96, 128, 192, 256), (0.15, 0.15, 0.3, 0.25, 0.15)
"""Sides of the views of a batch in pixels, and how often each is drawn."""
USUAL = 128
"""Side of the views that a batch's size is counted in: all batches have as many pixels and take the same time."""


class Views:
    """Batch number k as (B, 3, S, S) uint8 on the device.

    Args:
        sources: what to draw from.
        seed: of all that is drawn.
        count: of batches.
        size: of a batch of views of 128 px.
        device: where sources are kept and views are made.

    Attributes:
        sides: of the views of a batch in pixels.
        often: how often each of them is drawn.
    """

    def __init__(
        self, sources: Sequence[Source], seed: int, count: int, size: int, device: torch.device
    ) -> None:
        self.sources = [source.to(device) for source in sources]
        self.seed = seed
        self.count = count
        self.size = size
        self.device = device
        self.shares = np.array([source.share for source in sources])
        self.sides, self.often = SIDES, OFTEN

    def __getitem__(self, number: int) -> Tensor:
        random = np.random.default_rng([self.seed, number])
        noise = torch.Generator(self.device).manual_seed(int(random.integers(2**62)))
        side = int(random.choice(self.sides, p=self.often))
        counts = random.multinomial(self.size * USUAL**2 // side**2, self.shares)
        parts = [
            self._views(source, count, side, random)
            for source, count in zip(self.sources, counts.tolist(), strict=True)
            if count
        ]
        return spoil(torch.cat(parts), random, noise)

    def after(self, first: int) -> Iterator[Tensor]:
        """Give the batches from number `first` on."""
        return (self[number] for number in range(first, self.count))

    def _views(self, source: Source, count: int, side: int, random: np.random.Generator) -> Tensor:
        chosen = random.integers(len(source.images), size=count)
        images = source.images[torch.from_numpy(chosen).to(self.device)]
        return crops(images, source.sizes[chosen], side, random)
