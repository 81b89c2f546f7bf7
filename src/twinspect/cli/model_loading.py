"""Loading a model as the command line names it, and saying what scores where that was chosen for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.console import warn
from twinspect.errors import is_installed
from twinspect.loading import AUTO, TORCH, choose_runtime, load

if TYPE_CHECKING:
    import argparse

    from twinspect.inference.base_detector import BaseDetector


def chosen_runtime(options: argparse.Namespace) -> str:
    """Say what scores: the runtime asked for, by its own name, or torch; where torch is missing, the fastest."""
    asked: str = options.runtime or (TORCH if is_installed(TORCH) else AUTO)
    if asked != AUTO:
        return asked
    chosen = choose_runtime(options.model)
    warn(f"{options.model}: scored by {chosen}, the fastest that can run here")
    return chosen


def load_chosen(options: argparse.Namespace) -> BaseDetector:
    """Load the model that a verb was given, for the runtime and the device that it was given."""
    return load(options.model, device=options.device, runtime=chosen_runtime(options))
