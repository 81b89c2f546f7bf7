"""Students that see the image and imitate the teacher's levels in the teacher's own direction, fine to coarse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from twinspect import maps
from twinspect.methods.networks.backbone_stages import backbone_stages
from twinspect.methods.networks.reverse_decoder import ResidualBlock
from twinspect.teachers.rebuilding import sibling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.methods.networks.backbone_stages import BackboneStage
    from twinspect.teachers.base import Teacher

STEM, STEM_REDUCTION = 32, 4
"""Channels of a narrow student's first convolution, and the stride after its pooling."""
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)  # noqa: SLF001 - covers every BatchNorm


def same_student(teacher: Teacher, seed: int, *, shortcuts: bool = False) -> nn.Module:
    """Build a network of the teacher's architecture with random weights.

    A network without any normalisation, such as pocket or a VGG, gets BatchNorm after every convolution (ours):
    without it, random weights do not learn at the usual step sizes.

    Args:
        teacher: whose architecture is used.
        seed: of the weights.
        shortcuts: whether residual blocks start as their shortcuts alone, the last BatchNorm of each at 0, where the
            network is built so; otherwise it starts at 1.
    """
    network = sibling(teacher, [level.name for level in teacher.levels], seed)
    if not any(isinstance(module, NORMS) for module in network.modules()):
        _insert_batchnorm(network)
    for module in () if shortcuts else network.modules():
        # timm starts the last BatchNorm of a residual block at 0, the papers' networks at 1.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return network


def has_batchnorm(network: nn.Module) -> bool:
    """Tell whether a network has any BatchNorm over images."""
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def level_distances(student: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> list[Tensor]:
    """Compare what a student makes of images with the teacher's levels.

    Args:
        student: gives a level for each of the targets.
        images: (B, 3, H, W).
        targets: one (B, C_k, h_k, w_k) per level.

    Returns:
        1/2 |t - s|^2 between unit vectors, one (B, h_k, w_k) per level, fine to coarse.
    """
    return [
        maps.unit_distance_map(target, level.to(target.dtype))
        for target, level in zip(targets, student(images), strict=True)
    ]


class NarrowStudent(nn.Module):
    """A residual network whose levels have the teacher's shapes, and whose blocks are narrow inside (ours).

    Each of its 3x3 convolutions lies between two of 1x1.

    Args:
        teacher: whose levels are imitated.
        light: a quarter as wide inside as the teacher, with half as many 3x3 convolutions; otherwise half as wide,
            with as many.
    """

    def __init__(self, teacher: Teacher, *, light: bool = False) -> None:
        super().__init__()
        stages = backbone_stages(teacher)
        reduction = min(STEM_REDUCTION, stages[0].reduction)
        self.stem = _stem(reduction)
        self.stages = nn.ModuleList()
        channels = STEM
        for stage in stages:
            self.stages.append(_narrow_stage(stage, channels, reduction, light=light))
            channels, reduction = stage.channels, stage.reduction

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Imitate the teacher on (B, 3, H, W) images: one (B, C_k, h_k, w_k) map per level, fine to coarse."""
        features = self.stem(images)
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return tuple(levels)


def _stem(reduction: int) -> nn.Sequential:
    """Build the layers before the first block, like a ResNet's."""
    conv = nn.Conv2d(3, STEM, 7, min(2, reduction), padding=3, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    pool = [nn.MaxPool2d(3, 2, padding=1)] if reduction == STEM_REDUCTION else []
    return nn.Sequential(conv, nn.BatchNorm2d(STEM), nn.ReLU(inplace=True), *pool)


def _narrow_stage(stage: BackboneStage, channels: int, reduction: int, *, light: bool) -> nn.Sequential:
    count, inner = (stage.blocks, stage.inner) if stage.inner else (2 * stage.blocks, stage.channels)
    count, inner = (max(1, count // 2), inner // 4) if light else (count, inner // 2)
    blocks = []
    for number in range(count):
        scale = 1 if number else reduction / stage.reduction
        signed = stage.signed and number == count - 1
        blocks.append(ResidualBlock(channels, stage.channels, max(1, inner), scale=scale, signed=signed))
        channels = stage.channels
    return nn.Sequential(*blocks)


def _insert_batchnorm(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(module, name, nn.Sequential(child, nn.BatchNorm2d(child.out_channels)))
