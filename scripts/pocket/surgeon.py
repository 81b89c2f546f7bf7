"""Least squares of which groups of regressors can be taken away, those that remain being fitted anew.

Always the group goes whose loss costs least: the optimal brain surgeon (Hassibi and Stork 1993) for groups of
weights, which is exact here, since the error is quadratic.
"""

from __future__ import annotations

import torch
from torch import Tensor

RIDGE = 1e-4
"""Added to the variance of every regressor, as a share of their mean variance."""


class Regression:
    """A linear map with a bias, fitted to samples.

    Args:
        seen: (N, R) float32 regressors.
        wanted: (N, O) float32.

    Attributes:
        weights: (R, O) float64; rows of what was taken away are 0, up to rounding.
    """

    def __init__(self, seen: Tensor, wanted: Tensor) -> None:
        self._seen, self._wanted = seen.mean(0), wanted.mean(0)
        seen, wanted = seen - self._seen, wanted - self._wanted
        spread = (seen.T @ seen).double() / len(seen)
        ridge = RIDGE * spread.diagonal().mean()
        self._inverse = torch.linalg.inv(spread + ridge * torch.eye(len(spread)).to(spread))
        self.weights = self._inverse @ ((seen.T @ wanted).double() / len(seen))

    @property
    def bias(self) -> Tensor:
        """(O,) float64."""
        return self._wanted.double() - self._seen.double() @ self.weights

    def keep(self, groups: Tensor, count: int) -> list[int]:
        """Take groups away, one at a time, until some are left.

        Args:
            groups: (G, g) numbers of regressors, of each group. Regressors of no group stay.
            count: of groups to be left.

        Returns:
            Numbers of those left, ascending.
        """
        left = list(range(len(groups)))
        while len(left) > count:
            least = int(self._costs(groups[left]).argmin())
            self._take(groups[left.pop(least)])
        return left

    def _costs(self, groups: Tensor) -> Tensor:
        """Give by how much the squared error grows without each group."""
        weights = self.weights[groups]
        shared = self._inverse[groups[:, :, None], groups[:, None, :]]
        return (torch.linalg.inv(shared) * (weights @ weights.mT)).sum((1, 2))

    def _take(self, group: Tensor) -> None:
        across = self._inverse[:, group]
        moved = across @ torch.linalg.inv(across[group])
        self.weights -= moved @ self.weights[group]
        self._inverse -= moved @ across.T
