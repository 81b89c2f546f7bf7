"""What protocols and tables of papers share: the settings that were typed, and making the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.benchmark.protocols import ClassSelection
from twinspect.benchmark.run_plan import run_all
from twinspect.benchmark.time_left import PlanStatus, format_duration
from twinspect.cli.console import warn
from twinspect.errors import ConfigError, unknown_name
from twinspect.methods.config import hints
from twinspect.methods.settings import config_class
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from twinspect.benchmark.plan import Run
    from twinspect.benchmark.store import RunStore

DETECTOR_OPTIONS: Final = (
    "teacher",
    "weights",
    "preset",
    "size",
    "tile",
    "overlap",
    "length",
    "steps",
    "epochs",
    "minutes",
    "device",
    "precision",
    "workers",
)
"""Parameters of a detector that are options here, by the same names."""


def chosen_classes(options: argparse.Namespace) -> ClassSelection:
    """Gather the options that choose classes, and images of them."""
    return ClassSelection(tuple(options.classes or ()), options.most_train, options.most_test)


def check_settings(methods: Sequence[str], texts: Sequence[str]) -> None:
    """Refuse a setting that no method has, one that has an option of its own, and text without a value.

    Raises:
        ConfigError: one of them was typed.
    """
    known = {name for method in methods for name in hints(config_class(method))}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: expected NAME=VALUE, such as --set batch_size=8")
        if name in DETECTOR_OPTIONS:
            raise ConfigError(f"--set {text}: {name} has an option of its own; type: --{name} {value}")
        if name not in known:
            raise unknown_name("setting", name, known)


def make_runs(store: RunStore, runs: Sequence[Run], *, retry: bool) -> None:
    """Plan runs and make those that are not made yet, saying which.

    Args:
        store: where they are kept.
        runs: all that the command asks for.
        retry: whether those that failed before are made again.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is finished is kept.
    """

    def on_start(run: Run, status: PlanStatus) -> None:
        number = status.done + status.failed + status.running
        warn(f"run {number} of {status.runs}: {run.title}; left: {format_duration(status.seconds_left)}")

    def on_failure(run: Run, reason: str) -> None:
        warn(f"failed: {run.title}: {reason}")

    store.plan(runs)
    if retry:
        store.retry([run.key for run in runs])
    try:
        with Bar() as bar:
            run_all(store, runs, progress=bar, on_start=on_start, on_failure=on_failure)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt("finished runs are kept; go on with the same command") from interruption
