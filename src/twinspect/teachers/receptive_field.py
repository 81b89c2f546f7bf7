"""How far a teacher sees: from which distance on a pixel has no influence on a feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from twinspect.teachers.base import Teacher

ROUNDING = 1e-5
"""Differences below this share of the largest are rounding."""


def farthest_seen(teacher: Teacher, side: int) -> int | None:
    """Measure how far a pixel may be from a place of any level and still change its features.

    One half of a noisy image is replaced, and the features on the other side are compared. A student sees farther: a
    decoder looks at all features, and an image autoencoder at the whole image.

    Args:
        teacher: with trained weights: random ones may leave whole blocks out.
        side: of the square image, in pixels.

    Returns:
        Pixels of the model's input; ``None`` where a place sees the whole image, or more than half of this one.
    """
    generator = torch.Generator().manual_seed(0)
    image, other = (torch.randn(1, 3, side, side, generator=generator) for _ in range(2))
    middle = side // 2
    changed = torch.cat([image[..., :middle], other[..., middle:]], dim=-1)
    with torch.inference_mode():
        pairs = zip(teacher(image), teacher(changed), strict=True)
        reaches = [_reach(one, two, middle) for one, two in pairs]
    seen = [reach for reach in reaches if reach is not None]
    return max(seen) if len(seen) == len(reaches) else None


def _reach(one: torch.Tensor, two: torch.Tensor, middle: int) -> int | None:
    """Find how far left of the middle features, (1, C, h, w), differ, wherever in a stride the middle lies."""
    difference = (one - two).abs().amax(dim=(0, 1, 2))
    first = int((difference > ROUNDING * difference.max()).nonzero()[0])
    stride = 2 * middle // len(difference)
    return middle - first * stride + stride - 1 if first else None
