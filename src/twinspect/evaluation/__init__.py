"""Metrics of a labelled test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect._lazy import public_names

if TYPE_CHECKING:
    from twinspect.evaluation.evaluation import *  # noqa: F403

__getattr__ = public_names(__name__, "twinspect.evaluation.evaluation")
