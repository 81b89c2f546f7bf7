"""Random views of images, a batch at a time and on any device: crops, turns, colours, blur, noise, JPEG.

Everything that is decided is drawn with NumPy, so that a batch shows the same on any device; only the grain of
the noise is drawn where it is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

import jpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Random = np.random.Generator

GREY = np.array([0.299, 0.587, 0.114])
ENLARGED = 2
"""A crop becomes no larger than this many times its own size, unless the image is too small for it."""
BLURRED, COMPRESSED, RECOLOURED, NOISY, INVERTED = 0.15, 0.15, 0.8, 0.16, 0.04
"""Shares of the views."""
REACH = 6
"""Of the blur to either side, in pixels."""


def crops(images: Tensor, sizes: NDArray[np.int64], side: int, random: Random) -> Tensor:
    """Cut one view out of every image.

    Args:
        images: (N, 3, S, S) uint8; an image fills the upper left of its square.
        sizes: (N, 2) height and width of each image in pixels.
        side: of the views in pixels.
        random: decides places, scales and turns.

    Returns:
        (N, 3, side, side) float32 in 0..255.
    """
    placed = _places(sizes, side, random) / images.shape[-1]
    placed[:, :, 2] = 2 * placed[:, :, 2] - 1  # a square's own coordinates go from -1 to 1
    theta = torch.from_numpy(placed.astype(np.float32)).to(images.device)
    grid = functional.affine_grid(theta, [len(images), 3, 2 * side, 2 * side], align_corners=False)
    doubled = functional.grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return functional.avg_pool2d(doubled, 2)  # twice as fine and averaged, against aliasing


def _places(sizes: NDArray[np.int64], side: int, random: Random) -> NDArray[np.float64]:
    """Draw boxes and turns: (N, 2, 3) from a view's -1..1 to pixels, whose extent is counted from the middle."""
    count = len(sizes)
    height, width = sizes[:, 0].astype(np.float64), sizes[:, 1].astype(np.float64)
    least = np.minimum((side / ENLARGED) ** 2 / (height * width), 0.5)
    area = height * width * random.uniform(least, 1)
    ratio = np.exp(random.uniform(-0.4, 0.4, count))
    wide, high = np.minimum(np.sqrt(area * ratio), width), np.minimum(np.sqrt(area / ratio), height)
    flipped = np.where(random.random(count) < 0.5, -1.0, 1.0)
    quarters = np.where(random.random(count) < 0.3, random.integers(1, 4, count), 0) * np.pi / 2
    turned = np.zeros((count, 2, 3))  # parts on a table lie any way up
    turned[:, 0, 0], turned[:, 0, 1] = flipped * np.cos(quarters) * wide, -np.sin(quarters) * wide
    turned[:, 1, 0], turned[:, 1, 1] = flipped * np.sin(quarters) * high, np.cos(quarters) * high
    turned[:, 0, 2] = random.uniform(0, width - wide) + wide / 2
    turned[:, 1, 2] = random.uniform(0, height - high) + high / 2
    return turned


def spoil(views: Tensor, random: Random, noise: torch.Generator) -> Tensor:
    """Change colours of most views, and blur, grain and compress some: (B, 3, S, S) float32 to uint8."""
    views = _blur(views, random)
    views = _recolour(views, random)
    strength = np.where(random.random(len(views)) < NOISY, random.uniform(1, 12, len(views)), 0)
    grain = torch.randn(views.shape, generator=noise, device=views.device)
    views = (views + grain * _each(strength, views)).clamp(0, 255)
    some = _some(COMPRESSED, views, random)
    views[some] = jpeg.compress(views[some], random.uniform(25, 90, len(some)))
    return views.round().clamp(0, 255).to(torch.uint8)


def _blur(views: Tensor, random: Random) -> Tensor:
    some = _some(BLURRED, views, random)
    widths = torch.from_numpy(random.uniform(0.3, 2, len(some))).to(views)
    places = torch.arange(-REACH, REACH + 1, device=views.device)
    kernels = torch.exp(-0.5 * (places / widths[:, None]).square())
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]
    count, channels, side, _ = views[some].shape
    flat = functional.pad(views[some], (REACH,) * 4, mode="reflect").reshape(
        1, count * channels, -1, side + 2 * REACH
    )
    flat = functional.conv2d(flat, kernels[:, :, :, None], groups=count * channels)
    flat = functional.conv2d(flat, kernels[:, :, None, :], groups=count * channels)
    views[some] = flat.reshape(count, channels, side, side)
    return views


def _recolour(views: Tensor, random: Random) -> Tensor:
    """Mix channels, then change contrast around the mean, brightness and the cast of colour."""
    count = len(views)
    active = random.random(count) < RECOLOURED
    mixing = np.where(active[:, None, None], _mixing(count, random), np.eye(3))
    gain = np.where(active, np.exp(random.normal(0, 0.3, count)), 1)
    gain = gain * np.where(active & (random.random(count) < INVERTED / RECOLOURED), -1, 1)
    shift = random.normal(0, 20, (count, 1)) + random.normal(0, 6, (count, 3))
    shift = np.where(active[:, None], shift, 0)
    mixed = torch.einsum("bij,bjhw->bihw", torch.from_numpy(mixing).to(views), views)
    middle = mixed.mean((1, 2, 3), keepdim=True)
    turned = torch.where(_each(gain, views) < 0, 255 - middle, middle)  # the mean of an inverted image
    shifts = torch.from_numpy(shift).to(views)[:, :, None, None]
    return ((mixed - middle) * _each(gain, views) + turned + shifts).clamp(0, 255)


def _mixing(count: int, random: Random) -> NDArray[np.float64]:
    """Draw (count, 3, 3) matrices: grey, swapped channels, another saturation, or nothing changed."""
    kind = random.random(count)
    kept = np.select([kind < 0.15, kind < 0.25, kind < 0.6], [0, 1, random.uniform(0.2, 1.8, count)], 1)[
        :, None, None
    ]
    mixing = kept * np.eye(3) + (1 - kept) * GREY
    swapped = random.permuted(np.tile(np.arange(3), (count, 1)), axis=1)
    swaps = ((kind >= 0.15) & (kind < 0.25))[:, None, None]
    return np.where(swaps, np.eye(3)[swapped], mixing)


def _some(share: float, views: Tensor, random: Random) -> Tensor:
    """Choose a share of the views, by number."""
    chosen = random.permutation(len(views))[: max(1, round(share * len(views)))]
    return torch.from_numpy(chosen).to(views.device)


def _each(values: NDArray[np.float64], views: Tensor) -> Tensor:
    """Lay one number a view out as (B, 1, 1, 1)."""
    return torch.from_numpy(values).to(views)[:, None, None, None]
