"""Cutting images into tiles and blending the maps of tiles: pure functions on tensors, without loops over tiles.

The grid of tiles is a product of two lists, and so is the window of a tile. What is done along rows and columns is
therefore done one after the other, and a graph of it has the same few nodes for any number of tiles.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from twinspect.model.tiling import Tiling


class _Axis(NamedTuple):
    """Tiles along one side of an image, laid end to end.

    Attributes:
        tiles: how many.
        side: pixels of each.
        pixels: (tiles * side,) int64, the image's pixel at every place of the tiles.
        places: (most, length) int64, for every pixel of the image the places that show it, of at most so many tiles.
        weights: (most, length) float32, what each of these counts; sums to 1 over them.
    """

    tiles: int
    side: int
    pixels: Tensor
    places: Tensor
    weights: Tensor


def cut(images: Tensor, tiling: Tiling) -> Tensor:
    """Cut images into tiles.

    Args:
        images: (B, C, H, W) of any type.
        tiling: where the tiles lie.

    Returns:
        (B, tiles, C, height, width), row by row.
    """
    down, across = (_axis(tiling, length) for length in images.shape[-2:])
    rows = images.index_select(2, down.pixels.to(images.device))
    both = rows.index_select(3, across.pixels.to(images.device))
    grid = both.view(*images.shape[:2], down.tiles, down.side, across.tiles, across.side)
    return grid.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def blend(tiles: Tensor, tiling: Tiling, size: tuple[int, int]) -> Tensor:
    """Put maps of tiles together so that no seam shows.

    A tile counts fully up to where a neighbour begins, and from there less and less, in a straight line to next to
    nothing at its border; at a border of the image it counts fully. From one pixel to the next a tile's part
    therefore changes by at most the difference of the maps divided by the pixels that the neighbours share.

    Args:
        tiles: (B, tiles, h, w) float, each at its tile's own size, in the order of :func:`cut`.
        tiling: where the tiles lie.
        size: height and width of the image, in pixels.

    Returns:
        (B, height, width).
    """
    down, across = (_axis(tiling, length) for length in size)
    grid = tiles.reshape(-1, down.tiles, across.tiles, down.side, across.side)
    end_to_end = grid.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return _blended(_blended(end_to_end, across).mT, down).mT


def _blended(values: Tensor, axis: _Axis) -> Tensor:
    """Blend along the last dimension: (..., tiles * side) to (..., length)."""
    places, weights = axis.places.to(values.device), axis.weights.to(values)
    parts = [values.index_select(-1, chosen) * weight for chosen, weight in zip(places, weights, strict=True)]
    blended: Tensor = reduce(torch.add, parts)
    return blended


@lru_cache(maxsize=64)
def _axis(tiling: Tiling, length: int) -> _Axis:
    """Lay tiles along a side of so many pixels; shared by all who ask, so never to be changed."""
    side, starts = tiling.side(length), torch.tensor(tiling.starts(length))
    pixels = torch.arange(length)
    covering = (starts[:, None] <= pixels) & (pixels < starts[:, None] + side)
    first = (starts[:, None] + side <= pixels).sum(dim=0)
    numbers = first + torch.arange(int(covering.sum(dim=0).max()))[:, None]
    tile = numbers.clamp(max=len(starts) - 1)
    inside = pixels - starts[tile]
    weights = _window(starts, side, tile, inside) * ((numbers < len(starts)) & (inside >= 0))
    return _Axis(
        tiles=len(starts),
        side=side,
        pixels=(starts[:, None] + torch.arange(side)).flatten(),
        places=tile * side + inside.clamp(0, side - 1),
        weights=(weights / weights.sum(dim=0)).float(),
    )


def _window(starts: Tensor, side: int, tile: Tensor, inside: Tensor) -> Tensor:
    """Give the weights of tiles at places inside them, before they are made to sum to 1: in (0, 1], float64."""
    shared = (starts[:-1] + side - starts[1:]).clamp(min=1).double()
    alone = torch.full((1,), 0.5, dtype=torch.double)  # at the image's border a tile counts fully
    rising = (inside + 0.5) / torch.cat([alone, shared])[tile]
    falling = (side - inside - 0.5) / torch.cat([shared, alone])[tile]
    return rising.minimum(falling).clamp(max=1.0)
