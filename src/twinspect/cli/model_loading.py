"""Loading a model with the runtime of the command line, and saying which one it is where nobody named it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinspect.bundle.export_cache import find_exports
from twinspect.bundle.folder import EXPORTS, model_key, read_model_record
from twinspect.cli.console import warn
from twinspect.errors import BundleError, TwinspectError, in_one_line, is_installed
from twinspect.inference.runtimes import is_for_cpu
from twinspect.loading import (
    AUTO,
    CPU,
    EXACT,
    TORCH,
    check_threads,
    choose_runtime,
    load,
    scores_on_cpu,
    usual_export,
)
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from twinspect.inference.base_detector import BaseDetector

LONG_RUN: Final = 1000
"""Images from which on an export is made first if there is none: it takes 20 seconds, and saves about as many."""


def chosen_runtime(options: argparse.Namespace) -> str:
    """Name the runtime: the one of --runtime; if there is none, the fastest in fp32."""
    chosen = choose(options)
    _say(options, chosen)
    return chosen


def load_chosen(
    options: argparse.Namespace, runtime: str | None = None, count: Callable[[], int] | None = None
) -> BaseDetector:
    """Load the model of a verb with its runtime, threads and device.

    Args:
        options: of the verb.
        runtime: what scores, if that is decided; ``None`` for --runtime, or else the fastest in fp32.
        count: counts the images that will be scored.
    """
    threads = check_threads(options.threads)
    chosen = runtime or choose(options, count)
    with _advising_torch(options):
        detector = _load(options, chosen, threads)
    _say(options, detector.export_name or TORCH)
    return detector


def runtime_of_key(model: Path, key: str) -> str | None:
    """Name the runtime that a key of :func:`~twinspect.bundle.folder.model_key` is of; ``None`` for no one's."""
    exports = find_exports(model, read_model_record(model), lambda _: None)
    names = ("", *(export.name for export in exports))
    return next((name or TORCH for name in names if model_key(model, name) == key), None)


def _load(options: argparse.Namespace, chosen: str, threads: int | None) -> BaseDetector:
    if chosen == TORCH:
        return load(options.model, device=options.device, runtime=TORCH, threads=threads)
    # Where nobody named it, and torch could score on a GPU, it was chosen for the CPU.
    device = options.device if options.runtime or not is_installed(TORCH) else CPU
    try:
        return load(options.model, device=device, runtime=chosen, threads=threads)
    except TwinspectError as error:
        if options.runtime or not is_installed(TORCH):
            raise
        warn(f"{error}; scored by torch instead")
        return load(options.model, device=options.device, runtime=TORCH, threads=threads)


def choose(options: argparse.Namespace, count: Callable[[], int] | None = None) -> str:
    """Choose the runtime, and make an export first where that pays off.

    Args:
        options: of the verb.
        count: counts the images that will be scored.
    """
    if options.runtime not in (None, AUTO):
        return str(options.runtime)
    with _advising_torch(options):
        if options.runtime == AUTO or not is_installed(TORCH):
            return choose_runtime(options.model, options.device)
        damaged: list[BundleError] = []
        export = usual_export(options.model, options.device, damaged.append)
        for error in damaged:
            warn(f"{error}; scored without it")
        if export is None and count and scores_on_cpu(options.device) and count() >= LONG_RUN:
            make_export(options.model)
            export = usual_export(options.model, options.device, damaged.append)
    return export.name if export else TORCH


def make_export(model: str) -> None:
    """Export a model that has no fp32 export yet, where that can be done; if it fails, torch scores as before."""
    from twinspect.export.exporter import export_fastest, exportable_runtimes

    exports = find_exports(Path(model), read_model_record(Path(model)), lambda _: None)
    if not exportable_runtimes() or any(
        is_for_cpu(export) and export.precision == EXACT and export.fixed_size is None for export in exports
    ):
        return
    try:
        made = export_fastest(model, say=announce)
        warn(
            f"{model}: exported as {made.name}, {made.milliseconds:.0f} ms an image; torch "
            f"{made.record['speed']['torch_milliseconds']:.0f} ms"
        )
    except Exception as error:  # noqa: BLE001 - tracing fails in any way, and nobody asked for it
        warn(f"no export was made, so torch scores ({in_one_line(error)})")


def _say(options: argparse.Namespace, chosen: str) -> None:
    if options.runtime in (None, AUTO) and (chosen != TORCH or options.runtime == AUTO):
        warn(f"{options.model}: scored by {chosen}, the fastest that can run here")


@contextmanager
def _advising_torch(options: argparse.Namespace) -> Iterator[None]:
    """Add to what is wrong with an export that `auto` meant to use how to do without it."""
    try:
        yield
    except BundleError as error:
        is_of_export = str(error).startswith(str(Path(options.model) / EXPORTS))
        if options.runtime not in (None, AUTO) or not is_of_export or not is_installed(TORCH):
            raise
        raise BundleError(f"{error}, or score without exports: --runtime torch") from error
