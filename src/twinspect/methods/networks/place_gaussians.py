"""A Gaussian of the features of good images at every place of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from twinspect.methods.networks.gathered_buffers import GatheredBuffers

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACES: Final = 256
"""Places whose covariances are inverted at once, in float64."""
SMALLEST: Final = 1e-6
"""Minimum of the share of an image's deviation that the others do not explain, about the precision of float32."""


class PlaceGaussians(GatheredBuffers):
    """Means and covariances of features, by place.

    Attributes:
        mean: (places, C) float32.
        whitening: (places, C, C) float32: its product with its own transpose is the inverse of the covariance.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self) -> None:
        super().__init__("mean", "whitening")

    def forward(self, features: Tensor) -> Tensor:
        """Compute the Mahalanobis distance of (B, C, h, w) features at every place: (B, h, w)."""
        deviations = _by_place(features) - self.mean[:, None]
        distances: Tensor = torch.linalg.vector_norm(deviations @ self.whitening, dim=2)
        return distances.T.reshape(-1, *features.shape[-2:])

    def left_out(self, features: Tensor, images: int) -> Tensor:
        """Compute what the distances of gathered features would be without the image that they belong to.

        By Sherman and Morrison's formula, so that nothing is estimated again; the regularization of such a Gaussian
        is (images - 1) / (images - 2) times that of all images.

        Args:
            features: (B, C, h, w), as they were gathered.
            images: how many were gathered; 3 or more.

        Returns:
            (B, h, w).
        """
        others = images - 1
        # In float64: few images leave little of their own, and what float32 rounds would be a part of that.
        deviations = _by_place(features).double() - self.mean[:, None]
        squares = (deviations @ self.whitening.double()).square().sum(dim=2)
        squares = squares.T.reshape(-1, *features.shape[-2:])
        rest = (1 - squares * images / others**2).clamp_min(SMALLEST)
        distances: Tensor = images / others * (squares * (others - 1) / others / rest).sqrt()
        return distances.float()

    def gather(self, batches: Iterable[Tensor], regularization: float, absent: int = 0) -> None:
        """Estimate mean and covariance at every place in one pass.

        The sums of squared deviations are updated batch by batch (Chan, Golub & LeVeque 1983): unlike sums of squares
        they lose no digits, so that float32 is enough.

        Args:
            batches: (B, C, h, w) float32 features of good images.
            regularization: added to the covariance's diagonal.
            absent: images that the Gaussians stand for already, which these are added to; 0 to begin anew.
        """
        images, mean, scatter = 0, torch.empty(0), torch.empty(0)
        if absent:
            images, mean = absent, self.mean.clone()
            scatter = _scatter(self.whitening, max(1, absent - 1), regularization)
        for batch in batches:
            features = _by_place(batch)
            places, count, channels = features.shape
            if not images:
                mean = features.new_zeros(places, channels)
                scatter = features.new_zeros(places, channels, channels)
            of_batch = features.mean(dim=1)
            apart = (of_batch - mean)[:, None]
            between = apart * (images * count / (images + count)) ** 0.5
            deviations = torch.cat([features - of_batch[:, None], between], dim=1)
            scatter.baddbmm_(deviations.mT, deviations)
            images += count
            mean += apart[:, 0] * (count / images)
        self.mean, self.whitening = mean, _whiten(scatter, max(1, images - 1), regularization)


def _by_place(features: Tensor) -> Tensor:
    """Turn (B, C, h, w) into (h * w, B, C)."""
    return features.flatten(2).permute(2, 0, 1)


def _scatter(whitening: Tensor, divisor: int, regularization: float) -> Tensor:
    """Undo :func:`_whiten`: (places, C, C) sums of squared deviations."""
    scatter = torch.empty_like(whitening)
    identity = torch.eye(scatter.shape[1], dtype=torch.float64, device=scatter.device)
    for start in range(0, len(scatter), PLACES):
        inverses = whitening[start : start + PLACES].double().mT
        factors = torch.linalg.solve_triangular(inverses, identity.expand_as(inverses), upper=False)
        scatter[start : start + PLACES] = divisor * (factors @ factors.mT - regularization * identity)
    return scatter


def _whiten(scatter: Tensor, divisor: int, regularization: float) -> Tensor:
    """Replace sums of squared deviations by the inverses of their covariances' Cholesky factors, transposed."""
    identity = torch.eye(scatter.shape[1], dtype=torch.float64, device=scatter.device)
    for start in range(0, len(scatter), PLACES):
        block = scatter[start : start + PLACES]
        factors = torch.linalg.cholesky(block.double() / divisor + regularization * identity)
        inverses = torch.linalg.solve_triangular(factors, identity.expand_as(factors), upper=False)
        block.copy_(inverses.mT)
    return scatter
