"""Weights of networks that are twinspect's own, as their user names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.teachers import weights as files
from twinspect.teachers.plugins import BARE
from twinspect.teachers.random_weights import standardise
from twinspect.teachers.weights_origin import RANDOM, Origin, random_origin
from twinspect.utils.files import sha256_of_file

if TYPE_CHECKING:
    from torch import nn


def load_given(backbone: nn.Module, name: str, given: Path | str, seed: int) -> Origin:
    """Load weights that were named into a network.

    Args:
        backbone: changed in place.
        name: of the teacher.
        given: a file; ``"random"``; ``"none"``, for a model whose own weights follow.
        seed: of random weights.

    Raises:
        TeacherError: a file that cannot be read or does not fit.
    """
    if given == BARE:
        return Origin("", "a saved model", "")
    if given == RANDOM:
        standardise(backbone, seed)
        return random_origin(backbone, seed)
    path = Path(given).expanduser()
    notes = files.load_into(backbone, files.read(path), prefix="", network_name=name, source=str(path))
    return Origin(sha256_of_file(path), str(path), f"not known: that of {path.name}", notes)
