"""Patches of any number of images in bounded memory: all of them, or as many as allowed, drawn at random."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from twinspect.methods.coreset import greedy_coreset, sparse_projection, to_whole_numbers

SLACK: Final = 1.25
"""How many times the patches allowed are held before some are dropped."""


class PatchSample:
    """A sample in which every patch is as likely as any other.

    Every patch draws a number from torch's random state, and those with the lowest numbers are kept.

    Args:
        most: patches that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._patches: list[Tensor] = []
        self._drawn: list[Tensor] = []
        self._limit = 1.0

    def __len__(self) -> int:
        return sum(map(len, self._patches))

    def add(self, patches: Tensor) -> None:
        """Add (n, C) patches."""
        self._patches.append(patches)
        self._drawn.append(torch.rand(len(patches), dtype=torch.float64))
        self._drop()
        if len(self) > SLACK * self._most:
            self.close()

    def keep(self, patches: Tensor) -> None:
        """Add (n, C) patches that are never dropped, fewer than are kept."""
        self._patches.append(patches)
        self._drawn.append(torch.full((len(patches),), -1.0, dtype=torch.float64))

    def close(self) -> None:
        """Drop what is more than allowed."""
        if len(self) > self._most:
            self._limit = float(torch.cat(self._drawn).kthvalue(self._most + 1).values)
            self._drop()

    @property
    def width(self) -> int:
        """Features of a patch."""
        return self._patches[0].shape[1]

    def projected(self, onto: Tensor) -> Tensor:
        """Multiply the patches, in the order in which they were added, with a (C, d) matrix: (n, d)."""
        projected = self._patches[0].new_empty(len(self), onto.shape[1])
        sizes = [len(chunk) for chunk in self._patches]
        for chunk, place in zip(self._patches, torch.split(projected, sizes), strict=True):
            torch.mm(chunk, onto.to(chunk), out=place)
        return projected

    def rows(self, numbers: Tensor) -> Tensor:
        """Copy patches by their numbers, counted over all chunks: (len(numbers), C)."""
        chosen, start = self._patches[0].new_empty(len(numbers), self.width), 0
        for chunk in self._patches:
            here = (numbers >= start) & (numbers < start + len(chunk))
            chosen[here] = chunk[numbers[here] - start]
            start += len(chunk)
        return chosen

    def coreset(self, count: int, dimensions: int) -> Tensor:
        """Choose patches as PatchCore does, greedily among random projections of all.

        Args:
            count: how many; all where there are fewer.
            dimensions: of the projections; 0 for none.

        Returns:
            (count, C).
        """
        if count >= len(self):
            return torch.cat(self._patches)
        is_projected = 0 < dimensions < self.width
        onto = sparse_projection(self.width, dimensions) if is_projected else torch.eye(self.width)
        points = to_whole_numbers(self.projected(onto))
        first = int(torch.randint(len(self), ()))
        return self.rows(greedy_coreset(points, min(count, len(self)), first))

    def _drop(self) -> None:
        """Drop patches from the limit on, chunk by chunk, so that no second copy of all is held."""
        for index, (patches, drawn) in enumerate(zip(self._patches, self._drawn, strict=True)):
            kept = drawn < self._limit
            if not kept.all():
                self._patches[index], self._drawn[index] = patches[kept.to(patches.device)], drawn[kept]
