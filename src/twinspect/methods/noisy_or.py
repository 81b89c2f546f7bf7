"""Noisy-OR: several causes, any of which may make an image anomalous, joined into one score.

With p_i the probability that cause i is at work, the image is anomalous with p = 1 - prod(1 - p_i) (Pearl 1988,
section 4.3.2; Park, Seo & Kim 2025 join their two students so). A cause's raw score lives on a scale of its own, so
p_i is read off its distribution on good images that nothing was learnt from. What is handed on is -log(1 - p), the
sum of the causes' own: in the same order as p, but unbounded, so that two images that are both far out still differ.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

Tail = Literal["student", "normal", "logistic"]
"""The distribution whose tail says how unlikely a score is among good images: Student's t, which knows on how few
images it rests and is the less sure the fewer; or one that takes what they show for the truth."""
TAILS: tuple[str, ...] = get_args(Tail)
LOGISTIC_QUARTILE = 1.0986122886681098
NORMAL_QUARTILE = 0.6744897501960817
"""Upper quartiles at location 0 and scale 1."""
LEAST_SCALE = 1e-3
"""Least scale, as a share of the location's size: a few images that agree by chance do not make a sure thing."""
SMALLEST = 1e-12
"""Least scale of all."""
_SMOOTH = (
    *(-0.671794092, 0.672643155, 0.0473438876, -0.0468936406, -0.00988001932, 0.00880882537),
    *(0.00179406625, -0.00228876524, -0.000227910966, 0.000573766373, 8.0007382e-06, -8.72838105e-05),
)
"""Polynomial in 2t - 1 for the logarithm of exp(z**2) erfc(z) / t, fitted at Chebyshev's points to scipy's erfcx."""
PEAK_ODDS = 9
"""Odds, p / (1 - p), of being anomalous where good images have their peak: p = 0.9."""


def fit_distribution(scores: Tensor, tail: Tail) -> Tensor:
    """Fit a distribution to the scores of good images.

    Student's t predicts the next of n values: mean, deviation times sqrt(1 + 1/n), n - 1 degrees of freedom. Of the
    others, location and scale are the median and the quartiles' distance, which one odd image does not decide.

    Args:
        scores: (n,) raw scores, n > 0.
        tail: the distribution.

    Returns:
        (3,) float32: location, scale (positive) and degrees of freedom (at least 1).
    """
    values = scores.float()
    freedom = max(1, len(values) - 1)
    if tail == "student":
        middle = values.mean()
        # A single image says nothing of the spread; then the next may be anything of the size of the first.
        spread = values.std() if len(values) > 1 else middle.abs()
        scale = spread * (1 + 1 / len(values)) ** 0.5
    else:
        low, middle, high = torch.quantile(values, torch.tensor([0.25, 0.5, 0.75], device=values.device))
        scale = (high - low) / (2 * (LOGISTIC_QUARTILE if tail == "logistic" else NORMAL_QUARTILE))
    return torch.stack([middle, _bound_scale(scale, middle), torch.full_like(middle, freedom)])


def distribution_from_range(typical: float, peak: float) -> Tensor:
    """Choose the logistic distribution by two of its values.

    Args:
        typical: of good images; there p is 1/2.
        peak: that few good images exceed; there p is 0.9. At or below ``typical``, the least scale is taken.

    Returns:
        (3,) float32, as :func:`fit_distribution` gives it.
    """
    low, high = torch.tensor([typical, peak])
    return torch.stack([low, _bound_scale((high - low) / math.log(PEAK_ODDS), low), torch.ones(())])


def negative_log_p(scores: Tensor, spread: Tensor, tail: Tail) -> Tensor:
    """Say how surprising a score would be on a good image: -log(1 - p).

    Args:
        scores: raw scores, any shape.
        spread: (3,) as :func:`fit_distribution` gives it, or (..., 3) with one for each score.
        tail: the distribution; p is its cumulative distribution function.

    Returns:
        Of the same shape, >= 0 and unbounded; log 2 at the location.
    """
    location, scale, freedom = spread.unbind(dim=-1)
    places = (scores - location) / scale
    if tail == "logistic":
        return F.softplus(places)
    if tail == "student":
        places = _student_to_normal(places, freedom)
    return _normal(places)


def _normal(places: Tensor) -> Tensor:
    """Give -log(1 - p) of normal deviates, in operations that every runtime has.

    With z = |place| / sqrt 2 and t = 1 / (1 + z / 2), erfc(z) = t exp(g(t) - z**2), g smooth from far out (t = 0) to
    the middle (t = 1). The relative error in float32 is below 3e-6 from places of -5 upwards. torch's own log_ndtr is
    as good, but no exported graph can compute it far out.
    """
    length = places.abs() / math.sqrt(2)
    nearness = 1 / (1 + length / 2)
    smooth = torch.zeros_like(places)
    for factor in reversed(_SMOOTH):
        smooth = smooth * (2 * nearness - 1) + factor
    rest = smooth + nearness.log() - length.square()  # the logarithm of erfc
    return torch.where(places > 0, math.log(2) - rest, -torch.log1p(-rest.exp() / 2))


def _bound_scale(scale: Tensor, location: Tensor) -> Tensor:
    """Keep a scale from being so small that a chance agreement makes a sure thing."""
    return scale.maximum(LEAST_SCALE * location.abs()).clamp_min(SMALLEST)


def _student_to_normal(places: Tensor, freedom: Tensor) -> Tensor:
    """Give the normal deviate that is as rare as one of Student's t, up to a few hundredths (Wallace 1959)."""
    stretch = (8 * freedom + 1) / (8 * freedom + 3)
    return places.sign() * stretch * (freedom * torch.log1p(places.square() / freedom)).sqrt()
