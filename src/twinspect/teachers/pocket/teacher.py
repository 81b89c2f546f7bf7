"""Building the pocket teacher from its network and the weights that ship beside this file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from twinspect.teachers.base import Card, Teacher, probe_levels
from twinspect.teachers.curated import POCKET_LICENCE, SHIPPED
from twinspect.teachers.feature_levels import select_levels
from twinspect.teachers.own_weights import load_given
from twinspect.teachers.plugins import POCKET
from twinspect.teachers.pocket.network import INPUT_SIZE, MEAN, NAMES, STD, PocketNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinspect.teachers.weights_origin import Origin

WEIGHTS = Path(__file__).with_name("weights.safetensors")


def create(*, weights: Path | str | None, layers: Sequence[int | str] | None, seed: int) -> Teacher:
    """Build the pocket teacher; a factory as :mod:`twinspect.teachers.plugins` describes them.

    Args:
        weights: None for those that ship with the package; a file that `scripts/pocket/train.py` wrote;
            ``"random"``; ``"none"``.
        layers: stages by number (1, 2, 3) or name, in any order; None for all.
        seed: of random weights.

    Raises:
        ConfigError: no such level.
        TeacherError: a file that cannot be read or does not fit.
    """
    names = NAMES if layers is None else select_levels(dict(enumerate(NAMES, 1)), layers, POCKET)
    with torch.random.fork_rng(devices=[]):  # torch's own random state is left as it was
        torch.manual_seed(seed)
        backbone = PocketNetwork(names).eval()
    origin = _load_weights(backbone, weights, seed)
    return Teacher(
        backbone,
        Card(
            name=POCKET,
            network="",  # set by the registry
            levels=probe_levels(backbone, names, INPUT_SIZE),
            mean=MEAN,
            std=STD,
            input_size=INPUT_SIZE,
            sha256=origin.sha256,
            source=origin.source,
            licence=origin.licence,
            notes=origin.notes,
        ),
    )


def _load_weights(backbone: PocketNetwork, given: Path | str | None, seed: int) -> Origin:
    origin = load_given(backbone, POCKET, given or WEIGHTS, seed)
    return origin if given else replace(origin, source=SHIPPED, licence=POCKET_LICENCE)
