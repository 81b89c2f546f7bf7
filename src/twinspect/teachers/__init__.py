"""Frozen teachers: pretrained networks that describe an image at several levels.

Listing the teachers imports no torch; only creating one does.

>>> from twinspect.teachers import teachers
>>> len(teachers()) >= 12
True
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING

from twinspect.teachers.feature_levels import Level
from twinspect.teachers.registry import TeacherInfo, create_teacher, teachers

if TYPE_CHECKING:
    from twinspect.teachers.base import Card, Teacher, probe_levels

__all__ = ["Card", "Level", "Teacher", "TeacherInfo", "create_teacher", "probe_levels", "teachers"]


def __getattr__(name: str) -> object:
    """Import what needs torch when it is first used."""
    if name in {"Card", "Teacher", "probe_levels"}:
        return getattr(importlib.import_module("twinspect.teachers.base"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# What timm downloads with asks for widgets when a notebook imports it; nothing here needs them.
warnings.filterwarnings("ignore", "IProgress not found")
