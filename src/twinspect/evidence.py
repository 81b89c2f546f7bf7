"""Noisy-OR: several causes, any of which may make an image anomalous, joined into one score.

With p_i the probability that cause i is at work, the image is anomalous with p = 1 - prod(1 - p_i) (Pearl 1988,
section 4.3.2; Park, Seo & Kim 2025 join their two students so). A cause's raw score lives on a scale of its own, so
p_i is read off its distribution on good images that nothing was learnt from. What is handed on is -log(1 - p), the
sum of the causes' own: in the same order as p, but unbounded, so that two images that are both far out still differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

Tail = Literal["logistic", "normal"]
"""The distribution whose tail says how unlikely a score is among good images."""
TAILS: tuple[str, ...] = get_args(Tail)
QUARTILE_OF = {"logistic": 1.0986122886681098, "normal": 0.6744897501960817}
"""The upper quartile of each distribution at location 0 and scale 1."""
LEAST_SCALE = 1e-3
"""Least scale, as a share of the location's size: a few images that agree by chance do not make a sure thing."""
SMALLEST = 1e-12
"""Least scale of all."""


def spread_of(scores: Tensor, tail: Tail) -> tuple[Tensor, Tensor]:
    """Fit location and scale to the scores of good images.

    The median and half the distance between the quartiles are taken, so that one odd image does not decide.

    Args:
        scores: (n,) raw scores, n > 0.
        tail: the distribution.

    Returns:
        Location and scale, one number each; the scale is positive.
    """
    values = scores.float()
    low, middle, high = torch.quantile(values, torch.tensor([0.25, 0.5, 0.75], device=values.device))
    scale = (high - low) / (2 * QUARTILE_OF[tail])
    return middle, scale.maximum(LEAST_SCALE * middle.abs()).clamp_min(SMALLEST)


def surprise(scores: Tensor, location: Tensor, scale: Tensor, tail: Tail) -> Tensor:
    """Say how surprising a score would be on a good image: -log(1 - p).

    Args:
        scores: raw scores, any shape.
        location: of good images; of a shape that fits.
        scale: likewise, positive.
        tail: the distribution; p is its cumulative distribution function.

    Returns:
        Of the same shape, >= 0 and unbounded; log 2 at the location.
    """
    places = (scores - location) / scale
    surprising: Tensor = -torch.special.log_ndtr(-places) if tail == "normal" else F.softplus(places)
    return surprising


def probability(surprises: Tensor) -> Tensor:
    """Turn -log(1 - p) back into p, in [0, 1]."""
    return -torch.expm1(-surprises)
