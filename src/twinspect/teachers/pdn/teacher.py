"""Building a patch description network from a file of weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from twinspect.errors import TeacherError
from twinspect.teachers.base import Card, Teacher, probe_levels
from twinspect.teachers.feature_levels import select_levels
from twinspect.teachers.own_weights import load_given
from twinspect.teachers.pdn.network import INPUT_SIZE, LEVEL, MEAN, STD, PatchDescriptionNetwork, Size
from twinspect.teachers.weights_origin import RANDOM, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def create(
    size: Size, *, weights: Path | str | None, layers: Sequence[int | str] | None, seed: int
) -> Teacher:
    """Build a network of one size; with the size given, a factory of :mod:`twinspect.teachers.plugins`.

    Args:
        size: ``small`` or ``medium``.
        weights: a file that `scripts/pocket/train_pdn.py` wrote; ``"random"``; ``"none"``.
        layers: its only level by number (1) or name; None for the same.
        seed: of random weights.

    Raises:
        ConfigError: no such level.
        TeacherError: no weights, or a file that cannot be read or does not fit.
    """
    name = f"pdn_{size}"
    if layers is not None:
        select_levels({1: LEVEL}, layers, name)
    with torch.random.fork_rng(devices=[]):  # torch's own random state is left as it was
        torch.manual_seed(seed)
        backbone = PatchDescriptionNetwork(size).eval()
    origin = _load_weights(backbone, name, weights, seed)
    return Teacher(
        backbone,
        Card(
            name=name,
            network="",  # set by the registry
            levels=probe_levels(backbone, (LEVEL,), INPUT_SIZE),
            mean=MEAN,
            std=STD,
            input_size=INPUT_SIZE,
            sha256=origin.sha256,
            source=origin.source,
            licence=origin.licence,
            notes=origin.notes,
        ),
    )


small, medium = partial(create, "small"), partial(create, "medium")


def _load_weights(
    backbone: PatchDescriptionNetwork, name: str, given: Path | str | None, seed: int
) -> Origin:
    if given is None:
        raise TeacherError(
            f"teacher {name}: no weights of it are published; distil some with scripts/pocket/train_pdn.py and give "
            f"the file: --weights FILE (in Python: weights=FILE), or {RANDOM!r} to try it with random weights"
        )
    return load_given(backbone, name, given, seed)
