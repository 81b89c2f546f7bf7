"""RD++: reverse distillation of projected features (Tien et al., CVPR 2023).

RD, with a projector at every level between teacher and student. It learns, from small patches of noise, to pass on
what is normal and to leave out the rest, so that less of an anomaly reaches the student's bottleneck.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from twinspect import maps
from twinspect.methods.losses import agreeing_outside, direction_loss
from twinspect.methods.networks.projector import Projector
from twinspect.methods.rd import RD, RDConfig
from twinspect.methods.sinkhorn import sinkhorn_divergence
from twinspect.synthesis.simplex import simplex_octaves

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.methods.base import Batch, Stage
    from twinspect.teachers.base import Teacher

BLUR, SCALING = 0.05, 0.95
"""Settings of the Sinkhorn divergence (authors' code)."""
SHORTEST, LONGEST = 10 / 256, 1 / 8
"""Sides of the patch of noise, in shares of the image's; the longest itself is not drawn (authors' code)."""


@dataclass(frozen=True)
class RDPPConfig(RDConfig):
    """Settings of RD++; the defaults are the authors' unless a field says otherwise.

    The authors choose the number of epochs by hand for each category of MVTec AD, 10 to 300 and 204 on average, and
    within it the best epoch on test images; the preset ``paper`` has RD's 200 and takes the last.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            "size": 256,
            "epochs": 200,
            "decay": False,
            "blocks": "authors",
            "batch_size": 32,
            "parts": 2,
        },
    }
    RANGES: ClassVar[dict[str, str]] = {
        "parts": "[1, inf)",
        "projector_rate": "(0, inf)",
        "projector_weight": "[0, inf)",
        "transport_weight": "[0, inf)",
        "reconstruction_weight": "[0, inf)",
        "contrast_weight": "[0, inf)",
        "margin": "[-1, 1]",
        "noise": "[0, inf)",
    }

    batch_size: int = 16
    """images per optimiser step (ours; the authors accumulate two batches of 16 in a step)"""
    parts: int = 1
    """batches that a step's images are divided into, each with its own BatchNorm statistics (ours; theirs: 2)"""
    projector_rate: float = 1e-3
    """step size of the projectors; learning_rate is that of the student"""
    projector_weight: float = 0.2
    """weight of the projectors' losses against the distillation"""
    transport_weight: float = 1.0
    """weight of the optimal transport among the projectors' losses: between the batch and itself in another order, as
    in the authors' code, where it is 0 but for rounding"""
    reconstruction_weight: float = 0.01
    """weight of the reconstruction among the projectors' losses: noisy and clean images should be projected alike"""
    contrast_weight: float = 0.1
    """weight of the contrast among the projectors' losses: raw noisy and projected clean features should differ"""
    margin: float = 0.5
    """cosine up to which they count as different"""
    noise: float = 0.2
    """amplitude of the noise, in shares of the range of pixels"""


class RDPP(RD):
    """RD, whose student gets projected features."""

    Config = RDPPConfig
    config: RDPPConfig

    def __init__(self, teacher: Teacher, config: RDPPConfig) -> None:
        super().__init__(teacher, config)
        self.projectors = nn.ModuleList(Projector(level.channels) for level in teacher.levels)
        std = teacher.std if config.normalize else (1.0, 1.0, 1.0)
        self._amplitudes = tuple(config.noise / value for value in std)

    def stages(self) -> tuple[Stage, ...]:
        """Train projectors, bottleneck and decoder together."""
        (stage,) = super().stages()
        trained = self.student, self.projectors
        return (replace(stage, trained=trained, optimizer=self._optimizer, pixels=True),)

    def _optimizer(self, _parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        groups = [
            {"params": list(self.student.parameters()), "lr": self.config.learning_rate},
            {"params": list(self.projectors.parameters()), "lr": self.config.projector_rate},
        ]
        return torch.optim.Adam(groups, betas=(0.5, 0.999), fused=True)

    def loss(self, batch: Batch) -> Tensor:
        """Average the losses of the parts of the batch (the authors add their gradients up)."""
        count = self.config.parts
        images = batch.images.chunk(count)
        regions = [None] * len(images) if batch.inside is None else batch.inside.chunk(count)
        parts = zip(images, regions, *(level.chunk(count) for level in batch.targets), strict=True)
        return torch.stack([self._part_loss(part, inside, levels) for part, inside, *levels in parts]).mean()

    def _part_loss(self, images: Tensor, inside: Tensor | None, levels: Sequence[Tensor]) -> Tensor:
        noisy = [level.detach().float() for level in self.targets(add_noise(images, self._amplitudes))]
        projected, noisy_projected = ([level.float() for level in self.project(x)] for x in (levels, noisy))
        projections = map(self.projection_loss, noisy, noisy_projected, projected)
        pairs = self._pairs(levels, projected)
        distillations = [direction_loss(t, agreeing_outside(t, s, inside)) for t, s in pairs]
        distillation = torch.stack(distillations).sum(dim=0).mean()
        return distillation + self.config.projector_weight * torch.stack(list(projections)).sum()

    def projection_loss(self, noisy: Tensor, noisy_projected: Tensor, projected: Tensor) -> Tensor:
        """Average the losses of one level's projector by their weights: one number.

        Args:
            noisy: (B, C, h, w), the teacher's features of the noisy images.
            noisy_projected: (B, C, h, w), their projection.
            projected: (B, C, h, w), that of the clean images.
        """
        config = self.config
        weights = (config.transport_weight, config.reconstruction_weight, config.contrast_weight)
        losses = (
            transport_loss(projected),
            maps.cosine_map(noisy_projected, projected).mean(),
            contrast_loss(noisy, projected, config.margin),
        )
        weighted = torch.stack([weight * loss for weight, loss in zip(weights, losses, strict=True)])
        return weighted.sum() / (sum(weights) or 1.0)

    def project(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Project every level: one (B, C_k, h_k, w_k) each."""
        return [projector(level) for projector, level in zip(self.projectors, levels, strict=True)]

    def feature_pairs(self, levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Rebuild the teacher's own features from the projected ones: (target, rebuilt), level by level."""
        return self._pairs(levels, self.project(levels))

    def _pairs(self, levels: Sequence[Tensor], projected: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        return [(t, s.to(t.dtype)) for t, s in zip(levels, self.student(projected), strict=True)]


def transport_loss(projected: Tensor) -> Tensor:
    """Compute the Sinkhorn divergence between the images of a batch and the same images in another order.

    Each is one point: the softmax over all values of its (C, h, w) projection. Both sides are the same set of points,
    so that the value and the gradient are 0 but for rounding, as in the authors' code.

    Args:
        projected: (B, C, h, w) float32.

    Returns:
        One number.
    """
    with torch.autocast(projected.device.type, enabled=False):
        points = projected.flatten(1).softmax(dim=1)
        shuffled = points[torch.randperm(len(points))]
        return sinkhorn_divergence(points, shuffled, blur=BLUR, scaling=SCALING)


def contrast_loss(noisy: Tensor, projected: Tensor, margin: float) -> Tensor:
    """Average what exceeds the margin of the cosine between whole maps: one number.

    Args:
        noisy: (B, C, h, w) float.
        projected: (B, C, h, w) float.
        margin: cosine up to which two maps count as different.
    """
    return (1 - direction_loss(noisy, projected) - margin).clamp_min(0).mean()


def add_noise(images: Tensor, amplitudes: Sequence[float]) -> Tensor:
    """Add a patch of simplex noise to every image; torch's random state decides where and which.

    Args:
        images: (B, 3, H, W) float, left as they are.
        amplitudes: of the noise in each of R, G, B.
    """
    random = np.random.default_rng(int(torch.randint(2**31, ())))
    noisy = images.clone()
    factors = images.new_tensor(amplitudes)[:, None, None]
    for image in noisy:
        (top, height), (left, width) = (_place(side, random) for side in image.shape[1:])
        noise = torch.from_numpy(simplex_octaves((3, height, width), random)).to(image)
        image[:, top : top + height, left : left + width] += factors * noise
    return noisy


def _place(side: int, random: np.random.Generator) -> tuple[int, int]:
    """Draw where the patch begins and how long it is, along a side of the image, in pixels."""
    shortest = max(1, round(SHORTEST * side))
    length = int(random.integers(shortest, max(shortest + 1, int(LONGEST * side))))
    return int(random.integers(1, max(2, side - length))), length
