"""Loading a model with the runtime of the command line, and saying which one `auto` chose."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.bundle.folder import EXPORTS
from twinspect.cli.console import warn
from twinspect.errors import BundleError, is_installed
from twinspect.loading import AUTO, TORCH, choose_runtime, load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from twinspect.inference.base_detector import BaseDetector


def chosen_runtime(options: argparse.Namespace) -> str:
    """Name the runtime: the one of --runtime, by default torch; the fastest for auto, or if torch is missing."""
    chosen = _choose(options)
    _say(options, chosen)
    return chosen


def load_chosen(options: argparse.Namespace) -> BaseDetector:
    """Load the model of a verb with its runtime and device."""
    chosen = _choose(options)
    with _advising_torch(options):
        detector = load(options.model, device=options.device, runtime=chosen)
    _say(options, chosen)
    return detector


def _asked(options: argparse.Namespace) -> str:
    runtime: str = options.runtime or (TORCH if is_installed(TORCH) else AUTO)
    return runtime


def _choose(options: argparse.Namespace) -> str:
    if _asked(options) != AUTO:
        return _asked(options)
    with _advising_torch(options):
        return choose_runtime(options.model)


def _say(options: argparse.Namespace, chosen: str) -> None:
    if _asked(options) == AUTO:
        warn(f"{options.model}: scored by {chosen}, the fastest that can run here")


@contextmanager
def _advising_torch(options: argparse.Namespace) -> Iterator[None]:
    """Add to what is wrong with an export that `auto` meant to use how to do without it."""
    try:
        yield
    except BundleError as error:
        is_of_export = str(error).startswith(str(Path(options.model) / EXPORTS))
        if _asked(options) != AUTO or not is_of_export or not is_installed(TORCH):
            raise
        raise BundleError(f"{error}, or score without exports: --runtime torch") from error
