"""The teacher ``auto``: the best one that is on this machine. Nothing is ever downloaded for it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from twinspect.errors import TeacherError
from twinspect.teachers import hub
from twinspect.teachers.base import Teacher
from twinspect.teachers.build import build
from twinspect.teachers.curated import CURATED, FROM_FILE, USUAL
from twinspect.teachers.plugins import POCKET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LOG = logging.getLogger(__name__)


def best_at_hand(usual: str = USUAL, given: Path | str | None = None) -> tuple[str, str]:
    """Choose a teacher whose weights need no download.

    Args:
        usual: the teacher to prefer, a recommended one; resnet18 comes next, and the pocket teacher last.
        given: weights of the usual teacher, which is chosen then, or ``"random"``; ``None`` for published ones.

    Returns:
        Its name, and a sentence that says which it is and why.
    """
    if given is not None:
        return usual, f"auto took {usual}, whose weights were given"
    for name in (usual, USUAL):
        if hub.cached(_repository(name)):
            return name, f"auto took {name}, whose weights are on this machine"
    return POCKET, (
        f"auto took {POCKET}, which comes with this package, because the weights of {usual} are not on this "
        f"machine; usually better: --teacher {usual}, which downloads them (in Python: teacher={usual!r})"
    )


def build_paper_teacher(
    name: str, given: Path | str | None, layers: Sequence[int | str] | None, seed: int
) -> Teacher:
    """Build the teacher that a paper used, say so first, because it may be downloaded, and note it in its record.

    Args:
        name: a recommended teacher.
        given: its weights, or ``"random"``; ``None`` for the published ones.
        layers: numbers of levels; ``None`` for its usual ones.
        seed: of random weights.

    Raises:
        TeacherError: its weights cannot be had; the message says how to get them, and what else may be typed.
    """
    note = f"preset paper took {name}, the teacher of the paper, {_where(name, given)}"
    _LOG.warning(note)
    try:
        teacher = build(name, given, layers, seed)
    except TeacherError as error:
        raise TeacherError(
            f"preset paper takes the teacher of the paper; for another: --teacher NAME (in Python: teacher=NAME); "
            f"{error}"
        ) from error
    return Teacher(teacher.backbone, replace(teacher.card, notes=(*teacher.notes, note)))


def _where(name: str, given: Path | str | None) -> str:
    """Say where the weights of a recommended teacher come from."""
    if given is not None:
        return "with the weights that were given"
    repository = _repository(name)
    if repository == FROM_FILE:
        return "whose weights come from a file of yours"
    if hub.cached(repository):
        return "whose weights are on this machine"
    return f"whose weights are not on this machine and are downloaded once from {repository}"


def _repository(name: str) -> str:
    return next(info.weights for info in CURATED if info.name == name.partition(".")[0])


def build_auto(
    given: Path | str | None, layers: Sequence[int | str] | None, seed: int, usual: str = USUAL
) -> Teacher:
    """Build the best teacher at hand, note in its record which and why, and log this as a warning.

    Args:
        given: as for :func:`best_at_hand`.
        layers: numbers of levels, which mean the same strides in all of them.
        seed: of random weights.
        usual: the teacher to prefer.

    Raises:
        ConfigError: no such level.
        TeacherError: given weights that are missing, damaged or of another network.
    """
    name, note = best_at_hand(usual, given)
    try:
        teacher = build(name, given, layers, seed)
    except TeacherError as error:
        if given is not None or name == POCKET:
            raise
        note = f"auto took {POCKET}, which comes with this package, because of {name}: {error}"
        teacher = build(POCKET, None, None, seed)
    _LOG.warning(note)
    return Teacher(teacher.backbone, replace(teacher.card, notes=(*teacher.notes, note)))
