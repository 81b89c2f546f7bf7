"""The teacher ``auto``: the default one if its weights are available, else the one in this package."""

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
    """Build one of the two, note in its record which and why, and log this as a warning.

    Given weights are never replaced by others: if they do not fit, that is an error.

    Args:
        given: weights of the default teacher, or None for the published ones.
        layers: numbers of levels, which mean the same strides in both.
        seed: of random weights.

    Raises:
        ConfigError: no such level.
        TeacherError: the given weights do not fit.
    """
    try:
        teacher = build(USUAL, given, layers, seed)
        why = f"{teacher.name}, whose weights are available"
    except TeacherError as error:
        if given is not None:
            raise
        teacher = build(POCKET, None, layers, seed)
        cause = str(error).partition(";")[0]  # the rest says how to get the weights
        why = f"{POCKET}, which comes with this package, because {USUAL} is not available: {cause}"
    note = f"auto took {why}"
    _LOG.warning(note)
    return Teacher(teacher.backbone, replace(teacher.card, notes=(*teacher.notes, note)))
