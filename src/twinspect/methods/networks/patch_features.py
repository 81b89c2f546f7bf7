"""Features of patches: a teacher's levels, averaged over neighbourhoods, at one resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
import torch.nn.functional as F

from twinspect.errors import ConfigError
from twinspect.maps import constant, inside_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Distance: TypeAlias = Literal["euclidean", "cosine"]


def check_neighbourhood(side: int) -> None:
    """Refuse an even side: such a square has no place in its middle, and would shift the features.

    Raises:
        ConfigError: it is even.
    """
    if side % 2 == 0:
        raise ConfigError(f"neighbourhood must be odd, got {side}; type: --neighbourhood {side - 1}")


def patch_features(levels: Sequence[Tensor], neighbourhood: int, channels: int = 0) -> Tensor:
    """Average every level over neighbourhoods, enlarge it to the finest one, and join all channels.

    Args:
        levels: (B, C_k, h_k, w_k) float, fine to coarse.
        neighbourhood: side of the square that is averaged, in places of the level; odd, 1 averages nothing.
        channels: how many all levels together keep, each an equal share and at least one, by averages over adjacent
            ones; 0 keeps all.

    Returns:
        (B, C, h, w) at the resolution of the first level, C the channels that are kept.
    """
    size = levels[0].shape[-2:]
    share = max(1, channels // len(levels)) if channels else 0
    means = [_reduce(_local_means(level, neighbourhood), share) for level in levels]
    return torch.cat(
        [
            level
            if level.shape[-2:] == size
            else F.interpolate(level, size=size, mode="bilinear", align_corners=False)
            for level in means
        ],
        dim=1,
    )


def comparable(features: Tensor, distance: Distance) -> Tensor:
    """Give (B, C, h, w) features the length 1 where only their directions are compared."""
    return F.normalize(features, dim=1) if distance == "cosine" else features


def of_kind(found: Tensor, distance: Distance) -> Tensor:
    """Turn Euclidean distances between what :func:`comparable` gives into the kind that was asked for.

    One less the cosine of two vectors of length 1 is half their squared distance.
    """
    return found.square() / 2 if distance == "cosine" else found


def as_rows(features: Tensor) -> Tensor:
    """Turn (B, C, h, w) features into (B * h * w, C) patches."""
    return features.movedim(1, -1).flatten(0, 2)


def rows_inside(features: Tensor, inside: Tensor | None) -> Tensor:
    """Turn (B, C, h, w) features into the (n, C) patches that lie in a region of interest, (B, H, W) bool, if any."""
    rows = as_rows(features)
    if inside is None:
        return rows
    return rows[inside_at(inside, (features.shape[-2], features.shape[-1])).flatten()]


def _local_means(level: Tensor, side: int) -> Tensor:
    """Average over squares; at the border, zeros around the map count as in the authors' code."""
    return F.avg_pool2d(level, side, stride=1, padding=side // 2) if side > 1 else level


def _reduce(level: Tensor, channels: int) -> Tensor:
    """Average adjacent channels, so that ``channels`` are left; a level of fewer stays as it is."""
    if not 0 < channels < level.shape[1]:
        return level
    # A product with a small matrix, which every runtime has.
    averaging = constant(_averaging_matrix, level.shape[1], channels, like=level)
    return torch.einsum("dc,bchw->bdhw", averaging, level)


def _averaging_matrix(channels: int, kept: int) -> Tensor:
    """Make the (kept, channels) matrix that averages adjacent channels."""
    return F.adaptive_avg_pool1d(torch.eye(channels)[:, None], kept)[:, 0].T
