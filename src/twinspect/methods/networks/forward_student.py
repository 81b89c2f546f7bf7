"""Students that see the image and imitate the teacher's levels in the teacher's own direction, fine to coarse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from twinspect.teachers.rebuilding import sibling

if TYPE_CHECKING:
    from twinspect.teachers.base import Teacher

STEM = 32
"""Channels of a narrow student's first convolution."""
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)  # noqa: SLF001 - covers every BatchNorm


def same_student(teacher: Teacher, seed: int) -> nn.Module:
    """Build a network of the teacher's architecture with random weights.

    A network without any normalisation, such as pocket or a VGG, gets BatchNorm after every convolution (ours):
    without it, random weights do not learn at the usual step sizes.

    Args:
        teacher: whose architecture is used.
        seed: of the weights.
    """
    network = sibling(teacher, [level.name for level in teacher.levels], seed)
    if not any(isinstance(module, NORMS) for module in network.modules()):
        _insert_batchnorm(network)
    for module in network.modules():
        # timm starts the last BatchNorm of a residual block at 0, the papers' networks at 1.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return network


def _insert_batchnorm(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(module, name, nn.Sequential(child, nn.BatchNorm2d(child.out_channels)))
