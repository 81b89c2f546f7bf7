"""The teacher called ``auto``: the usual one if its weights can be had, and else the one in this package."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from twinspect.errors import TeacherError
from twinspect.teachers.base import Teacher
from twinspect.teachers.build import build
from twinspect.teachers.curated import USUAL
from twinspect.teachers.plugins import POCKET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LOG = logging.getLogger(__name__)


def build_auto(given: Path | str | None, layers: Sequence[int | str] | None, seed: int) -> Teacher:
    """Build one of the two, note in its record which and why, and log it as a warning.

    Weights that were named are never exchanged for others: if they do not fit, that is an error.

    Args:
        given: weights of the usual teacher, or None for the published ones.
        layers: numbers of levels, which mean the same strides in both.
        seed: of random weights.

    Raises:
        ConfigError: no such level.
        TeacherError: weights were named and do not fit.
    """
    try:
        teacher = build(USUAL, given, layers, seed)
        why = f"{teacher.name}, whose weights can be had"
    except TeacherError as error:
        if given is not None:
            raise
        teacher = build(POCKET, None, layers, seed)
        cause = str(error).partition(";")[0]  # what follows is what to type to get it all the same
        why = f"{POCKET}, which comes with this package, because {USUAL} cannot be had: {cause}"
    note = f"auto took {why}"
    _LOG.warning(note)
    return Teacher(teacher.backbone, replace(teacher.card, notes=(*teacher.notes, note)))
