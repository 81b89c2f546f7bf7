"""Losses as pure functions: one number per image of teacher and student features, one number of patches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from twinspect.maps import beyond_fp16, inside_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

EPSILON = 1e-6
"""Minimum of a probability whose logarithm is taken."""


@beyond_fp16
def direction_loss(teacher: Tensor, student: Tensor) -> Tensor:
    """Compare the directions of whole maps: 1 - cos(vec a_s, vec a_c).

    Salehi et al. 2021, equation 3: the cosine is taken over all channels and locations of one image at once.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.

    Returns:
        (B,), in [0, 2].
    """
    return 1 - F.cosine_similarity(teacher.flatten(1), student.flatten(1), dim=1)


@beyond_fp16
def relaxed_loss(teacher: Tensor, student: Tensor, *, easy_share: float, easy_weight: float) -> Tensor:
    """Compare the directions of whole maps, with a smaller gradient at the locations rebuilt best.

    The value is :func:`direction_loss`. Its gradient is scaled down at the locations of the batch where 1 - cos over
    channels is lowest, so that the student is not refined where it is good already (Guo et al. 2024,
    arXiv 2405.14325).

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.
        easy_share: share of all locations of the batch, in [0, 1], that count as easy.
        easy_weight: factor of their gradient.

    Returns:
        (B,), in [0, 2].
    """
    distances = 1 - F.cosine_similarity(teacher, student.detach(), dim=1)
    easy = distances.numel() - int(distances.numel() * (1 - easy_share))
    if easy > 0 and easy_weight != 1:
        limit = distances.flatten().kthvalue(easy).values
        faded = student.detach().lerp(student, easy_weight)
        student = torch.where((distances <= limit)[:, None], faded, student)
    return direction_loss(teacher, student)


def agreeing_outside(teacher: Tensor, student: Tensor, inside: Tensor | None) -> Tensor:
    """Put the teacher's features in place of the student's where nothing is looked at, and so nothing is learnt.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.
        inside: (B, H, W) bool, the region of interest; ``None`` for whole images.

    Returns:
        (B, C, h, w), of the student's type.
    """
    if inside is None:
        return student
    at = inside_at(inside, (student.shape[-2], student.shape[-1]))
    return torch.where(at[:, None], student, teacher.to(student.dtype))


def mean_inside(values: Tensor, inside: Tensor | None) -> Tensor:
    """Average values of places, (B, h, w), over those in a region of interest, (B, H, W) bool, if there is one."""
    return values.mean() if inside is None else values_inside(values, inside).mean()


def values_inside(values: Tensor, inside: Tensor | None) -> Tensor:
    """List the values of places, (B, h, w), that lie in a region of interest, (B, H, W) bool, or all: (n,)."""
    if inside is None:
        return values.flatten()
    return values[inside_at(inside, (values.shape[-2], values.shape[-1]))]


def noisy_or_loss(distances: Sequence[Tensor]) -> Tensor:
    """Noisy-OR loss of several distances on good images: -log(1 - p), p = 1 - prod(1 - d_i).

    Park, Seo & Kim 2025 name the objective; taking half a cosine distance for d is this project's choice.

    Args:
        distances: one (B,) in [0, 1] per branch.

    Returns:
        One number: the mean over images of -sum log(1 - d_i).
    """
    return -torch.stack([(1 - distance).clamp_min(EPSILON).log() for distance in distances]).sum(dim=0).mean()


@beyond_fp16
def value_loss(teacher: Tensor, student: Tensor) -> Tensor:
    """Compare values: the mean of (a_s - a_c)² over channels and locations.

    Salehi et al. 2021, equation 2.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.

    Returns:
        (B,), not negative.
    """
    return (teacher - student).square().flatten(1).mean(dim=1)


@beyond_fp16
def hard_loss(teacher: Tensor, student: Tensor, patches: int) -> Tensor:
    """Average 1 - cos over the locations of each image where it is largest.

    Tang et al. 2024, stage II: the second term of L_2.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.
        patches: how many locations (K_h); all of them where there are fewer.

    Returns:
        (B,), in [0, 2].
    """
    distances = (1 - F.cosine_similarity(teacher, student, dim=1)).flatten(1)
    return distances.topk(min(patches, distances.shape[1]), dim=1).values.mean(dim=1)


@beyond_fp16
def hard_feature_loss(teacher: Tensor, student: Tensor, quantile: float) -> Tensor:
    """Average the largest squared differences of single features.

    Batzner et al. 2024, L_hard: the mean of those at their quantile or above.

    Args:
        teacher: (B, C, h, w) float.
        student: (B, C, h, w) float.
        quantile: in [0, 1); 0 averages all of them.

    Returns:
        (B,), not negative.
    """
    differences = (teacher - student).square().flatten(1)
    count = differences.shape[1]
    return differences.topk(count - math.ceil(quantile * (count - 1)), dim=1).values.mean(dim=1)


@beyond_fp16
def focal_loss(probability: Tensor, truth: Tensor, *, gamma: float, alpha: float) -> Tensor:
    """Cross-entropy with less weight on what is already right (Lin et al., ICCV 2017).

    Args:
        probability: float in [0, 1], any shape.
        truth: bool, the same shape.
        gamma: exponent of the focal weight.
        alpha: weight of positives; negatives weigh 1 - alpha.

    Returns:
        One number: the mean of -a_t (1 - p_t)^gamma log p_t.
    """
    right = torch.where(truth, probability, 1 - probability)
    weight = torch.where(truth, alpha, 1 - alpha)
    return (-weight * (1 - right) ** gamma * right.clamp_min(EPSILON).log()).mean()


def amplification_loss(
    amplified: Tensor, vanilla: Tensor, normal: Tensor, margin: float, against: Tensor | None = None
) -> Tensor:
    """Push amplified anomalous features away from normal ones, down to a margin below where they were.

    Tang et al. 2024, L_A: the mean of max(s(F_A^i, F_T^j), s(F_T^i, F_T^j) - alpha) over anomalous i and normal j.

    Args:
        amplified: (n, C) float, F_A of anomalous locations.
        vanilla: (n, C) float, F_T of the same locations.
        normal: (m, C) float, F_T of normal locations.
        margin: alpha.
        against: (m, C) float, the features that the amplified ones are pushed away from, if not ``normal``: F_A^j of
            normal locations, where these are amplified too.

    Returns:
        One number; 0 where one of the sets is empty.
    """
    if not len(vanilla) or not len(normal):
        return amplified.sum() * 0
    similarity = _similarity(amplified, normal if against is None else against)
    reference = _similarity(vanilla, normal) - margin
    return torch.maximum(similarity, reference).mean()


def contrastive_loss(normal: Tensor, anomalous: Tensor) -> Tensor:
    """Pull normal features together, and push anomalous ones away from them.

    The ablation of Tang et al. 2024, table VI. This project's choice is the cosine embedding loss with a margin of 0:
    half the mean of 1 - s over pairs of normal features, plus half the mean of max(0, s) over pairs of a normal and
    an anomalous one.

    Args:
        normal: (n, C) float.
        anomalous: (m, C) float.

    Returns:
        One number, in [0, 1.5]; a half without pairs counts as 0.
    """
    loss = normal.sum() * 0 + anomalous.sum() * 0
    count = len(normal)
    if count > 1:
        # The sum over all pairs of unit vectors is the square of the length of their sum.
        pairs = F.normalize(normal, dim=1).sum(dim=0).square().sum() - count
        loss = loss + (1 - pairs / (count * (count - 1))) / 2
    if count and len(anomalous):
        loss = loss + _similarity(anomalous, normal).clamp_min(0).mean() / 2
    return loss


def truncated_loss(logits: Tensor, truth: Tensor, margin: float) -> Tensor:
    """Push logits beyond a margin on either side of 0, and no further.

    Liu et al. 2023, equation 5: the mean of max(0, margin - l) over anomalous locations plus that of
    max(0, margin + l) over normal ones.

    Args:
        logits: float, any shape, higher is more anomalous.
        truth: bool, the same shape.
        margin: not negative.

    Returns:
        One number; a set without locations counts as 0.
    """
    short = (margin - torch.where(truth, logits, -logits)).clamp_min(0)
    parts = [short[part].sum() / part.sum().clamp_min(1) for part in (truth, ~truth)]
    return parts[0] + parts[1]


def _similarity(vectors: Tensor, others: Tensor) -> Tensor:
    """Compute the cosines between (n, C) and (m, C) vectors, (n, m)."""
    return F.normalize(vectors, dim=1) @ F.normalize(others, dim=1).T
