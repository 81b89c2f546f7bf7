"""twinspect: image anomaly detection by knowledge distillation.

A frozen pretrained teacher and a student that has only seen good images; where they disagree, something is wrong.

Importing this package imports no torch; the first use of a name does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from twinspect._version import __version__

# The functions share their names with the packages they live in. Imported here, and not on first use, they
# are what `twinspect.methods` means from then on, whatever else imports the package; both are light.
from twinspect.methods import methods
from twinspect.teachers import teachers

if TYPE_CHECKING:
    from twinspect import data, errors
    from twinspect.comparison.compare import compare
    from twinspect.detector import Detector
    from twinspect.ensemble.detector import noisy_or
    from twinspect.inference.scores import Scores
    from twinspect.loading import load
    from twinspect.report.shown_evaluation import evaluate

__all__ = [
    "Detector",
    "Scores",
    "__version__",
    "compare",
    "data",
    "errors",
    "evaluate",
    "load",
    "methods",
    "noisy_or",
    "teachers",
]

_HOMES = {
    "Detector": "twinspect.detector",
    "Scores": "twinspect.inference.scores",
    "compare": "twinspect.comparison.compare",
    "evaluate": "twinspect.report.shown_evaluation",
    "load": "twinspect.loading",
    "noisy_or": "twinspect.ensemble.detector",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in ("data", "errors"):
        return importlib.import_module(f"twinspect.{name}")
    raise AttributeError(f"module 'twinspect' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
