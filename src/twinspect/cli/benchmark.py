"""`twinspect benchmark`: a protocol over tasks, methods and seeds, resumable and shared; and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.benchmark.plan import Run, make_plan
from twinspect.benchmark.protocols import PROTOCOLS, ClassSelection, get_protocol
from twinspect.benchmark.run_database import check_folder
from twinspect.benchmark.run_plan import run_all
from twinspect.benchmark.shortfalls import shortfall_of_run
from twinspect.benchmark.store import RunStore
from twinspect.benchmark.time_left import PlanStatus, format_duration
from twinspect.cli.console import Bar, warn
from twinspect.cli.outcome import Outcome
from twinspect.cli.run_summary import REPORT, TABLES, outcome
from twinspect.detector import Detector
from twinspect.errors import ConfigError, unknown_name
from twinspect.methods.config import hints, parse_setting
from twinspect.methods.settings import config_class

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_DETECTOR_OPTIONS = (
    "teacher",
    "weights",
    "preset",
    "size",
    "tile",
    "overlap",
    "length",
    "steps",
    "epochs",
    "device",
    "precision",
    "workers",
)
"""Parameters of a detector that are options here, by the same names."""


def run(options: argparse.Namespace) -> Outcome:
    """Run a protocol, or write the tables."""
    if options.protocol == REPORT:
        return _report(options)
    if options.protocol not in PROTOCOLS:
        raise unknown_name("protocol", options.protocol, [*PROTOCOLS, REPORT])
    out = Path(options.out)
    check_folder(out, create=True)
    runs = _plan(options)
    keys = [run.key for run in runs]
    with RunStore(out, create=True, device=options.device) as store:
        store.plan(runs)
        _warn_of_shortfalls(runs)
        if options.retry:
            store.retry(keys)
        _run_all(store, runs)
        return outcome(out, store.rows(keys), "runs", f"tables: {TABLES} --out {out}")


def _plan(options: argparse.Namespace) -> list[Run]:
    if options.data is None:
        raise ConfigError(f"which images? add --data DIR (or type: twinspect benchmark {REPORT} --out DIR)")
    selection = ClassSelection(tuple(options.classes or ()), options.most_train, options.most_test)
    methods, seeds = (list(dict.fromkeys(names)) for names in (options.methods, options.seeds))
    _check_settings(methods, options.set)
    detectors = [_detector(options, method, seed) for seed in seeds for method in methods]
    return make_plan(get_protocol(options.protocol), options.data, selection, detectors, warn)


def _warn_of_shortfalls(runs: Sequence[Run]) -> None:
    """Say what each method's first run lacks of its paper, before hours of work."""
    for run in {run.detector.method_name: run for run in reversed(runs)}.values():
        if note := shortfall_of_run(run):
            warn(f"{run.title}: {note}")


def _detector(options: argparse.Namespace, method: str, seed: int) -> Detector:
    parameters = {name: getattr(options, name) for name in _DETECTOR_OPTIONS}
    return Detector(method, seed=seed, **parameters, **_settings(method, options.set))


def _settings(method: str, texts: Sequence[str]) -> dict[str, Any]:
    """Read the settings that a method has; the rest are for other methods."""
    config = config_class(method)
    pairs = [text.partition("=") for text in texts]
    return {name: parse_setting(config, name, value) for name, _, value in pairs if name in hints(config)}


def _check_settings(methods: Sequence[str], texts: Sequence[str]) -> None:
    """Refuse a setting that no method has, one that has an option of its own, and text without a value."""
    known = {name for method in methods for name in hints(config_class(method))}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: expected NAME=VALUE, such as --set batch_size=8")
        if name in _DETECTOR_OPTIONS:
            raise ConfigError(f"--set {text}: {name} has an option of its own; type: --{name} {value}")
        if name not in known:
            raise unknown_name("setting", name, known)


def _run_all(store: RunStore, runs: Sequence[Run]) -> None:
    def on_start(run: Run, status: PlanStatus) -> None:
        number = status.done + status.failed + status.running
        warn(f"run {number} of {status.runs}: {run.title}; left: {format_duration(status.seconds_left)}")

    def on_failure(run: Run, reason: str) -> None:
        warn(f"failed: {run.title}: {reason}")

    try:
        with Bar() as bar:
            run_all(store, runs, progress=bar, on_start=on_start, on_failure=on_failure)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt("finished runs are kept; go on with the same command") from interruption


def _report(options: argparse.Namespace) -> Outcome:
    from twinspect.benchmark.write_tables import write_tables

    if options.data is not None:
        raise ConfigError(f"{REPORT} reads the runs in --out and takes no --data; leave it out")
    out = Path(options.out)
    with RunStore(out) as store:
        text, record = write_tables(store, beside=options.beside)
    return Outcome(text, record)
