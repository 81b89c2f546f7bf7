"""The distillation targets: the expert's features, each channel divided by its standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinspect.teachers.pocket.network import MEAN, STD, PocketNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.teachers import Teacher


class Expert(nn.Module):
    """A pretrained teacher whose channels are divided by their standard deviation over training views.

    Args:
        teacher: frozen; its features must not be negative.
        sample: (B, 3, H, W) uint8 batches that the deviation is measured on.
    """

    def __init__(self, teacher: Teacher, sample: Iterable[Tensor]) -> None:
        super().__init__()
        self.teacher = teacher
        flat = self._flat(sample)
        self.scales = [level.std(1).clamp_min(1e-3)[:, None, None] for level in flat]

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the targets of (B, 3, H, W) uint8 images: one (B, C, h, w) float32 map per level, >= 0."""
        features = self.teacher(normalise(images, self.teacher.mean, self.teacher.std))
        return tuple(level.float() / scale for level, scale in zip(features, self.scales, strict=True))

    @torch.no_grad()
    def _flat(self, sample: Iterable[Tensor]) -> list[Tensor]:
        batches = [self.teacher(normalise(images, self.teacher.mean, self.teacher.std)) for images in sample]
        return [
            torch.cat([level.transpose(0, 1).flatten(1) for level in levels], 1).float()
            for levels in zip(*batches, strict=True)
        ]


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Turn (B, 3, H, W) uint8 into normalised float32, channels last in memory."""
    values = images.float().contiguous(memory_format=torch.channels_last) / 255
    return (values - values.new_tensor(mean)[:, None, None]) / values.new_tensor(std)[:, None, None]


def student_view(images: Tensor) -> Tensor:
    """Normalise images for the pocket network."""
    return normalise(images, MEAN, STD)


def levels_before(network: PocketNetwork, images: Tensor) -> tuple[Tensor, ...]:
    """Compute every level of a pocket network before its last ReLU: (B, C, h, w) maps, fine to coarse."""
    images = network.stem_features(student_view(images))
    levels = []
    for stage in network.stages.values():
        *first, last = stage
        for block in first:
            images = block(images)
        levels.append(last.pre_activation(images))
        images = functional.relu(levels[-1])
    return tuple(levels)


def loss(before: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Squared error after ReLU, averaged over locations, channels and levels.

    Where the target is positive and the student's value is not, the error is taken before ReLU: after it,
    the gradient would be zero (the partial L2 of Heo et al., ICCV 2019).
    """
    levels = []
    for value, target in zip(before, targets, strict=True):
        counts = (
            (target > 0) | (value > 0)
        ).float()  # a factor, since where() took a fifth of the time of a step
        levels.append(((value.float() - target) * counts).square().mean())
    return torch.stack(levels).mean()


@torch.no_grad()
def explained(before: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Compute the share of the targets' variance that is explained, per level: 1 is a perfect copy, 0 a constant."""
    shares = []
    for value, target in zip(before, targets, strict=True):
        error = (functional.relu(value.float()) - target).square().mean((0, 2, 3))
        shares.append(1 - error.sum() / target.var((0, 2, 3)).sum())
    return torch.stack(shares)
