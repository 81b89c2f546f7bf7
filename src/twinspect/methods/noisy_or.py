"""Noisy-OR: several causes, any of which may make an image anomalous, joined into one score.

With p_i the probability of cause i, the image is anomalous with p = 1 - prod(1 - p_i) (Pearl 1988,
section 4.3.2; Park, Seo & Kim 2025 join their two students in this way). Each cause's raw score has a scale of its
own, so p_i is computed from its distribution on held-out good images. The joined score is -log(1 - p), the sum of
that of the causes: it has the same order as p but is unbounded, so that two clearly anomalous images still differ.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

Tail = Literal["student", "normal", "logistic"]
"""The distribution whose tail gives how unlikely a score is among good images: Student's t, which allows for the
number of images it was fitted to, or one that takes its fitted parameters as exact."""
TAILS: tuple[str, ...] = get_args(Tail)
LOGISTIC_QUARTILE = 1.0986122886681098
NORMAL_QUARTILE = 0.6744897501960817
"""Upper quartiles at location 0 and scale 1."""
LEAST_SCALE = 1e-3
"""Minimum scale relative to the location, or of logarithms: a few images with nearly equal scores by chance must not
give certainty."""
LONE_LOG_SPREAD = math.log(2)
"""Deviation of logarithms of which there is one: up to twice the score, as where scores are taken as they are."""
SMALLEST = 1e-12
"""Absolute minimum of a scale."""
_SMOOTH = (
    *(-0.671794092, 0.672643155, 0.0473438876, -0.0468936406, -0.00988001932, 0.00880882537),
    *(0.00179406625, -0.00228876524, -0.000227910966, 0.000573766373, 8.0007382e-06, -8.72838105e-05),
)
"""Polynomial in 2t - 1 for the logarithm of exp(z**2) erfc(z) / t, fitted at Chebyshev points to scipy's erfcx."""
PEAK_ODDS = 9
"""Odds, p / (1 - p), of being anomalous where good images have their peak: p = 0.9."""


def fit_distribution(scores: Tensor, tail: Tail, *, logarithm: bool = False) -> Tensor:
    """Fit a distribution to the scores of good images.

    Student's t predicts the next of n values: mean, deviation times sqrt(1 + 1/n), n - 1 degrees of freedom. For the
    others, location and scale come from the median and the interquartile range, which are robust to one odd image.

    Args:
        scores: (n,) raw scores, n > 0.
        tail: the distribution.
        logarithm: whether the scores are logarithms. A difference of these is a share of a score, whatever the
            score's unit; that of others is compared with their location.

    Returns:
        (3,) float32: location, scale (positive) and degrees of freedom (at least 1).
    """
    values = scores.float()
    freedom = max(1, len(values) - 1)
    if tail == "student":
        middle = values.mean()
        # A single image gives no deviation; its absolute value is taken instead, or what that is in logarithms.
        lone = torch.full_like(middle, LONE_LOG_SPREAD) if logarithm else middle.abs()
        spread = values.std() if len(values) > 1 else lone
        scale = spread * (1 + 1 / len(values)) ** 0.5
    else:
        low, middle, high = torch.quantile(values, torch.tensor([0.25, 0.5, 0.75], device=values.device))
        scale = (high - low) / (2 * (LOGISTIC_QUARTILE if tail == "logistic" else NORMAL_QUARTILE))
    size = torch.ones_like(middle) if logarithm else middle
    return torch.stack([middle, _bound_scale(scale, size), torch.full_like(middle, freedom)])


def distribution_from_range(typical: float, peak: float) -> Tensor:
    """Choose the logistic distribution with two given quantiles.

    Args:
        typical: value of good images where p is 1/2.
        peak: value that few good images exceed, where p is 0.9. If not above ``typical``, the minimum scale is used.

    Returns:
        (3,) float32, as from :func:`fit_distribution`.
    """
    low, high = torch.tensor([typical, peak])
    return torch.stack([low, _bound_scale((high - low) / math.log(PEAK_ODDS), low), torch.ones(())])


def negative_log_p(scores: Tensor, distribution: Tensor, tail: Tail) -> Tensor:
    """Compute how surprising a score would be on a good image: -log(1 - p).

    Args:
        scores: raw scores, any shape.
        distribution: (3,) as from :func:`fit_distribution`, or (..., 3) with one for each score.
        tail: the distribution; p is its cumulative distribution function.

    Returns:
        Of the same shape, >= 0 and unbounded; log 2 at the location.
    """
    location, scale, freedom = distribution.unbind(dim=-1)
    deviates = (scores - location) / scale
    if tail == "logistic":
        return F.softplus(deviates)
    if tail == "student":
        deviates = _student_to_normal(deviates, freedom)
    return _normal_negative_log_p(deviates)


def _normal_negative_log_p(deviates: Tensor) -> Tensor:
    """Compute -log(1 - p) of normal deviates, in operations that every runtime has.

    With z = |deviate| / sqrt 2 and t = 1 / (1 + z / 2), erfc(z) = t exp(g(t) - z**2), g smooth from far out (t = 0)
    to the middle (t = 1). The relative error in float32 is below 3e-6 for deviates above -5. torch's own log_ndtr is
    as accurate, but exported graphs cannot compute it far out.
    """
    length = deviates.abs() / math.sqrt(2)
    nearness = 1 / (1 + length / 2)
    smooth = torch.zeros_like(deviates)
    for factor in reversed(_SMOOTH):
        smooth = smooth * (2 * nearness - 1) + factor
    log_erfc = smooth + nearness.log() - length.square()
    return torch.where(deviates > 0, math.log(2) - log_erfc, -torch.log1p(-log_erfc.exp() / 2))


def _bound_scale(scale: Tensor, size: Tensor) -> Tensor:
    """Bound a scale from below, so that nearly equal scores by chance do not give certainty."""
    return scale.maximum(LEAST_SCALE * size.abs()).clamp_min(SMALLEST)


def _student_to_normal(deviates: Tensor, freedom: Tensor) -> Tensor:
    """Convert deviates of Student's t to normal ones of equal probability, up to a few hundredths (Wallace 1959)."""
    stretch = (8 * freedom + 1) / (8 * freedom + 3)
    return deviates.sign() * stretch * (freedom * torch.log1p(deviates.square() / freedom)).sqrt()
