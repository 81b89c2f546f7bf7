"""Dinomaly (Guo et al., CVPR 2025, arXiv 2405.14325): one reconstruction of a vision transformer's tokens.

A decoder of linear attention rebuilds the teacher's middle blocks from their mean through a noisy bottleneck.
Dropout keeps it from copying, attention that cannot focus keeps it from passing a defect through, and a loss that
cares little for what is rebuilt well keeps it from learning more than it has to: so that one model serves many kinds
of objects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinspect import maps
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch, Method, Output, Stage
from twinspect.methods.config import LAST_STAGE, MethodConfig
from twinspect.methods.losses import agreeing_outside, relaxed_loss
from twinspect.methods.networks.token_decoder import TokenStudent, middle_blocks, split_into_groups
from twinspect.methods.rd import Student, check_halving
from twinspect.methods.schedules import warm_cosine
from twinspect.methods.stable_adamw import StableAdamW
from twinspect.teachers.base import HasPrefixTokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twinspect.teachers.base import Teacher

LEVELS = 8
"""Blocks of the transformer that are rebuilt, and blocks of the decoder."""
KERNEL = 5
"""Side of the kernel that blurs the map, in its pixels; zeros lie beyond the border (authors' code)."""


@dataclass(frozen=True)
class DinomalyConfig(MethodConfig):
    """Settings of Dinomaly; the defaults are the authors' unless a field says otherwise."""

    TEACHERS: ClassVar[tuple[str, str]] = ("resnet18", "vit_base_patch14_reg4_dinov2.lvd142m")
    PAPER_TEACHER: ClassVar[str] = "vit_base_patch14_reg4_dinov2.lvd142m"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"size": 448, "crop": 392, "steps": 10_000, "warmup": 0.01},
    }
    RANGES: ClassVar[dict[str, str]] = {
        "weight_decay": "[0, inf)",
        "warmup": "[0, 1]",
        "last_rate": "[0, 1]",
        "clip": "[0, inf)",
        "dropout": "[0, 1)",
        "easy_share": "[0, 1]",
        "easy_weight": "[0, 1]",
        "easy_warmup": "[0, 1]",
        "top_share": "[0, 1]",
        "map_size": "[1, 65536]",
        "sigma": "(0, 10000]",
    }

    size: int | str = 224
    """side of the square that images are resized to, in pixels (ours, for a CPU; the authors' 448, cropped to 392): a
    multiple of a transformer's patch, and of twice the coarsest stride of a convolutional teacher"""
    steps: int = 400
    """optimiser steps (ours; the authors train 10 000)"""
    learning_rate: float = 2e-3
    """step size of StableAdamW with AMSGrad after the warm-up"""
    weight_decay: float = 1e-4
    """share of a weight that is subtracted in a step, times the step size"""
    warmup: float = 0.05
    """share of the training in which the step size rises from 0 (ours; the authors' 100 steps are 0.01); then it
    decays as a cosine"""
    last_rate: float = 0.1
    """step size at the end, as a share of the full one"""
    clip: float = 0.1
    """maximum norm of the gradient; 0 does not clip"""
    dropout: float = 0.2
    """share of values dropped in the bottleneck, before, between and after its layers; transformers only"""
    easy_share: float = 0.9
    """share of locations, those rebuilt best, whose gradient is scaled down"""
    easy_weight: float = 0.1
    """factor of their gradient"""
    easy_warmup: float = 0.1
    """share of the training in which the share of such locations rises from 0"""
    top_share: float = 0.01
    """share of the map, its highest values, whose mean is the image score"""
    map_size: int = 256
    """side to which the map is resized before it is blurred and scored, in pixels"""
    sigma: float = 4.0
    """standard deviation of the blur, whose kernel has 5 x 5 pixels of that map"""


class Dinomaly(Method[DinomalyConfig]):
    """A vision transformer, and a student that rebuilds its middle blocks.

    A convolutional teacher is rebuilt by the decoder of reverse distillation instead (ours).
    """

    Config = DinomalyConfig

    def __init__(self, teacher: Teacher, config: DinomalyConfig) -> None:
        super().__init__(teacher, config)
        self.has_tokens = isinstance(teacher.backbone, HasPrefixTokens)
        self.student = self._token_student() if self.has_tokens else Student(teacher, "authors")
        self._maps = len(split_into_groups(teacher.levels)) if self.has_tokens else len(teacher.levels)

    def _token_student(self) -> nn.Module:
        levels = self.teacher.levels
        widths = {level.channels for level in levels}
        if len(widths) > 1:
            raise ConfigError(
                f"dinomaly averages the blocks of a transformer and needs them equally wide; {self.teacher.name} has "
                f"widths {', '.join(map(str, sorted(widths)))}"
            )
        return TokenStudent(
            widths.pop(),
            len(split_into_groups(levels)),
            LEVELS,
            dropout=self.config.dropout,
            linear=True,
            spread=0.01,
            cut=3.0,
            epsilon=1e-8,
        )

    @classmethod
    def usual_layers(cls, teacher: str) -> tuple[int, ...] | None:
        """Take a transformer's middle blocks."""
        from twinspect.teachers import backbones  # noqa: PLC0415 - timm takes a second to import

        blocks = backbones.blocks_of(teacher)
        return tuple(middle_blocks(blocks, LEVELS)) if blocks else None

    def check_size(self, height: int, width: int) -> None:
        """Refuse sizes that a convolutional decoder cannot rebuild; a transformer teacher checks its own sizes."""
        if not self.has_tokens:
            check_halving("dinomaly", self.teacher, height, width, is_cropped=self.config.crop > 0)

    def stages(self) -> tuple[Stage, ...]:
        """Train the student."""
        config = self.config
        rate = partial(warm_cosine, warm=config.warmup, last=config.last_rate, ahead=0.0)
        stage = Stage.of(config, LAST_STAGE, (self.student,), self._optimizer, self.loss, rate)
        return (replace(stage, clip=config.clip),)

    def _optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return StableAdamW(
            parameters,
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            eps=1e-10,
            amsgrad=True,
            shorten_decay=False,
        )

    def targets(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the teacher: the (B, C, h, w) mean of each group of blocks, then the mean of their prefix tokens.

        These are the class token and registers, (B, C, P, 1), left out where there are none.
        """
        backbone = self.teacher.backbone
        if not isinstance(backbone, HasPrefixTokens):
            return super().targets(images)
        levels, prefixes = backbone.with_prefix_tokens(images)
        groups = tuple(_mean(group) for group in split_into_groups(levels))
        prefix = _mean(prefixes).transpose(1, 2)[..., None]
        return (*groups, prefix) if prefix.numel() else groups

    def loss(self, batch: Batch) -> Tensor:
        """Average 1 - cos(vec F_T, vec F_S) over groups, with little gradient where the batch is rebuilt well."""
        warmup = self.config.easy_warmup
        share = self.config.easy_share * (min(1.0, batch.done / warmup) if warmup else 1.0)
        compare = partial(relaxed_loss, easy_share=share, easy_weight=self.config.easy_weight)
        pairs = self.feature_pairs(batch.targets)
        losses = [compare(t, agreeing_outside(t, s, batch.inside)).mean() for t, s in pairs]
        return torch.stack(losses).mean()

    def feature_pairs(self, targets: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Rebuild the teacher's features: (target, rebuilt), shallow to deep."""
        levels, prefix = targets[: self._maps], targets[self._maps :]
        rebuilt = self.student(levels, *(tokens[..., 0].transpose(1, 2) for tokens in prefix))
        return [(level, output.to(level.dtype)) for level, output in zip(levels, rebuilt, strict=True)]

    @property
    def top_share(self) -> float:
        """Share of a map's highest values whose mean is the image score."""
        return self.config.top_share

    def forward(self, images: Tensor) -> Output:
        """Average the cosine distances of all groups, resize them, blur them, and score their highest values."""
        size = (images.shape[-2], images.shape[-1])
        pairs = self.feature_pairs(self.targets(images))
        levels = [self._resize(maps.cosine_map(t, s), size) for t, s in pairs]
        small = _mean(levels)
        return Output(maps.enlarge(small, size), context=(small,))

    def image_score(self, output: Output, inside: Tensor | None = None) -> Tensor:
        """Average the highest values of the map before it is enlarged; of a region, of its places there."""
        (small,) = output.context
        at = None if inside is None else maps.inside_at(inside, (small.shape[-2], small.shape[-1]))
        return maps.image_score(small, self.top_share, at)

    def _resize(self, level: Tensor, size: tuple[int, int]) -> Tensor:
        down, across = (
            maps.constant(resizing_matrix, side, target, self.config.map_size, self.config.sigma, like=level)
            for side, target in zip(level.shape[-2:], size, strict=True)
        )
        return down @ level @ across.T


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack(tuple(tensors)).mean(dim=0)


@lru_cache(maxsize=32)
def resizing_matrix(side: int, middle: int, last: int, sigma: float) -> Tensor:
    """Make the matrix that takes a column of a level to one of the blurred map; cached, so never change it.

    The authors enlarge to the size of the input with corners aligned, resize to that of the map with pixels aligned,
    and blur with a short kernel.

    Args:
        side: of the level.
        middle: side of the input.
        last: side of the map.
        sigma: of the blur.

    Returns:
        (last, side).
    """
    enlarging = F.interpolate(
        torch.eye(side)[None, None], (middle, side), mode="bilinear", align_corners=True
    )
    offsets = torch.arange(last)[:, None] - torch.arange(last)
    weights = torch.exp(-0.5 * (torch.arange(KERNEL) - KERNEL // 2).div(sigma) ** 2)
    kernel = weights[(offsets + KERNEL // 2).clamp(0, KERNEL - 1)] / weights.sum()
    blurring = torch.where(offsets.abs() <= KERNEL // 2, kernel, 0)
    return blurring @ maps.enlarge(enlarging[0], (last, side))[0]
