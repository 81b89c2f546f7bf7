"""Batches of views, each decided by the seed and its number alone, so that a training can go on anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from augment import view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from sources import Source

SIDES, OFTEN = (64, 96, 128, 192), (0.15, 0.2, 0.4, 0.25)
"""Sides of the views of a batch in pixels, and how often each is drawn."""
PIXELS = 32 * 128**2
"""Pixels of a batch, so that all batches take the same time."""


class Views(Dataset["Tensor"]):
    """Batch number k as (B, 3, S, S) uint8.

    Args:
        sources: what to draw from.
        seed: of all that is drawn.
        count: of batches.
    """

    def __init__(self, sources: Sequence[Source], seed: int, count: int) -> None:
        self.sources = sources
        self.seed = seed
        self.count = count
        self.shares = np.array([source.share for source in sources])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Tensor:
        random = np.random.default_rng([self.seed, number])
        side = int(random.choice(SIDES, p=OFTEN))
        kinds = random.choice(len(self.sources), size=PIXELS // side**2, p=self.shares)
        batch = np.stack([self._view(int(kind), side, random) for kind in kinds])
        return torch.from_numpy(batch).permute(0, 3, 1, 2)

    def _view(
        self, kind: int, side: int, random: np.random.Generator
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        images = self.sources[kind].images
        return view(images[random.integers(len(images))], side, random)


def loader(views: Views, first: int, workers: int) -> DataLoader[Tensor]:
    """Read batches from number `first` on, ahead of time, in other processes."""
    return DataLoader(
        views,
        batch_size=None,
        sampler=range(first, len(views)),
        num_workers=workers,
        prefetch_factor=8 if workers else None,
        generator=torch.Generator(),  # so that torch's own random state stays what a checkpoint holds
    )
