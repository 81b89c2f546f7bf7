"""Listing and creating teachers. Imports no torch before a teacher is created."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twinspect.teachers import hub, plugins
from twinspect.teachers.curated import AUTO, CURATED, FROM_FILE, SHIPPED, USUAL, TeacherInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.teachers.base import Teacher

__all__ = ["TeacherInfo", "create_teacher", "teachers"]


def teachers() -> dict[str, TeacherInfo]:
    """List the recommended teachers and those of other packages, by name.

    Any other model of timm works too, by its name.

    >>> list(teachers())[:2]
    ['pocket', 'resnet18']
    """
    listed = [replace(info, offline=_is_here(info.weights)) for info in CURATED]
    for name, entry in plugins.plugins().items():
        package = plugins.package_of(entry)
        listed.append(TeacherInfo(name, package, (), 0, f"see {package}", offline=True))
    return {info.name: info for info in listed}


def _is_here(weights: str) -> bool:
    return weights == SHIPPED or (weights != FROM_FILE and hub.cached(weights) is not None)


def create_teacher(
    name: str,
    *,
    weights: Path | str | None = None,
    layers: Sequence[int | str] | None = None,
    seed: int = 0,
    usual: str = USUAL,
) -> Teacher:
    """Create a frozen teacher.

    Args:
        name: a recommended teacher (see :func:`teachers`), one of another package, ``auto`` for ``usual`` or
            resnet18 if their weights are on this machine and else the pocket teacher, or any model of timm,
            with or without the tag of its weights. Without a tag, torchvision's weights (``tv_in1k``) are used
            where timm has them, as in the papers, elsewhere timm's first choice.
        weights: a ``.safetensors``, ``.pth``, ``.pt`` or ``.bin`` file; ``"random"``; None for the pretrained
            weights, from the cache of the Hugging Face hub or downloaded once.
        layers: levels by number or name, in any order. Numbers are timm's ``out_indices`` (a ResNet's 1, 2, 3
            are layer1..layer3; a ViT's are blocks counted from 0); for a VGG, number k is the k-th pooling.
            None: strides 4, 8, 16; of a VGG pool2..pool5; of a ViT four evenly spaced blocks, the last of
            them included.
        seed: of random weights; not used otherwise.
        usual: the recommended teacher that ``auto`` prefers.

    Returns:
        The teacher, on the CPU, in float32.

    Raises:
        ConfigError: no such teacher, tag or level; the message suggests the nearest names.
        TeacherError: weights that are not available or do not fit.
    """
    # Imports torch and timm.
    from twinspect.teachers import auto, build  # noqa: PLC0415

    if name == AUTO:
        return auto.build_auto(weights, layers, seed, usual)
    return build.build(name, weights, layers, seed)
