"""Loading a model with the runtime of the command line, and saying which one `auto` chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.console import warn
from twinspect.errors import is_installed
from twinspect.loading import AUTO, TORCH, choose_runtime, load

if TYPE_CHECKING:
    import argparse

    from twinspect.inference.base_detector import BaseDetector


def chosen_runtime(options: argparse.Namespace) -> str:
    """Name the runtime: the one of --runtime, by default torch; the fastest for auto, or if torch is missing."""
    runtime: str = options.runtime or (TORCH if is_installed(TORCH) else AUTO)
    if runtime != AUTO:
        return runtime
    chosen = choose_runtime(options.model)
    warn(f"{options.model}: scored by {chosen}, the fastest that can run here")
    return chosen


def load_chosen(options: argparse.Namespace) -> BaseDetector:
    """Load the model of a verb with its runtime and device."""
    return load(options.model, device=options.device, runtime=chosen_runtime(options))
