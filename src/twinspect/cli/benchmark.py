"""`twinspect benchmark`: a protocol over tasks, methods and seeds, resumable and shared; and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.benchmark.papers.all_tables import PAPER_TABLES
from twinspect.benchmark.plan import make_plan
from twinspect.benchmark.protocols import PROTOCOLS, get_protocol
from twinspect.benchmark.run_database import check_folder
from twinspect.benchmark.shortfalls import shortfall_of_run
from twinspect.benchmark.store import RunStore
from twinspect.cli.benchmark_runs import DETECTOR_OPTIONS, check_settings, chosen_classes, make_runs
from twinspect.cli.console import warn
from twinspect.cli.outcome import Outcome
from twinspect.cli.run_summary import REPORT, TABLES, outcome
from twinspect.detector import Detector
from twinspect.errors import ConfigError, unknown_name
from twinspect.loading import use_threads
from twinspect.methods.config import hints, parse_setting, split_presets
from twinspect.methods.settings import config_class

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from twinspect.benchmark.plan import Run

DEFAULT_METHODS = ("rd",)
"""Of a protocol; a table of a paper has its own."""


def run(options: argparse.Namespace) -> Outcome:
    """Run a protocol, or write the tables."""
    use_threads(options.threads)
    options.protocol = options.protocol or _behind_data(options)
    if options.protocol == REPORT:
        return _report(options)
    if options.protocol in PAPER_TABLES:
        from twinspect.cli.paper_tables import run_table

        return run_table(options)
    if options.protocol not in PROTOCOLS:
        raise unknown_name("protocol", options.protocol, [*PROTOCOLS, *PAPER_TABLES, REPORT])
    out = Path(options.out)
    check_folder(out, create=True)
    runs = _plan(options)
    keys = [run.key for run in runs]
    with RunStore(out, create=True, device=options.device) as store:
        _warn_of_shortfalls(runs)
        make_runs(store, runs, retry=options.retry)
        return outcome(out, store.rows(keys), "runs", f"tables: {TABLES} --out {out}")


def _behind_data(options: argparse.Namespace) -> str:
    """Take the protocol from the end of the folders, if it was named behind them."""
    if len(options.data or ()) < 2:
        raise ConfigError("which protocol? name one, as in: twinspect benchmark folder --data DIR --out DIR")
    return str(options.data.pop())


def _plan(options: argparse.Namespace) -> list[Run]:
    if options.data is None:
        raise ConfigError(f"which images? add --data DIR (or type: twinspect benchmark {REPORT} --out DIR)")
    if len(options.data) > 1:
        raise ConfigError(
            f"--data names {len(options.data)} folders, and {options.protocol} takes one; tables of papers take more"
        )
    methods, seeds = (
        list(dict.fromkeys(names)) for names in (options.methods or DEFAULT_METHODS, options.seeds)
    )
    check_settings(methods, options.set)
    _check_presets(methods, options.preset)
    detectors = [_detector(options, method, seed) for seed in seeds for method in methods]
    protocol, selection = get_protocol(options.protocol), chosen_classes(options)
    return make_plan(protocol, options.data[0], selection, detectors, warn)


def _check_presets(methods: Sequence[str], preset: str | None) -> None:
    """Refuse a preset that one of the methods does not have, and name the method."""
    for method in methods:
        try:
            split_presets(config_class(method), preset)
        except ConfigError as error:  # noqa: PERF203 - there are few methods
            raise ConfigError(f"{method}: {error}") from error


def _warn_of_shortfalls(runs: Sequence[Run]) -> None:
    """Say what each method's first run lacks of its paper, before hours of work."""
    for run in {run.detector.method_name: run for run in reversed(runs)}.values():
        if note := shortfall_of_run(run):
            warn(f"{run.title}: {note}")


def _detector(options: argparse.Namespace, method: str, seed: int) -> Detector:
    parameters = {name: getattr(options, name) for name in DETECTOR_OPTIONS}
    return Detector(method, seed=seed, **parameters, **_settings(method, options.set))


def _settings(method: str, texts: Sequence[str]) -> dict[str, Any]:
    """Read the settings that a method has; the rest are for other methods."""
    config = config_class(method)
    pairs = [text.partition("=") for text in texts]
    return {name: parse_setting(config, name, value) for name, _, value in pairs if name in hints(config)}


def _report(options: argparse.Namespace) -> Outcome:
    from twinspect.benchmark.write_tables import write_tables

    if options.data is not None:
        raise ConfigError(f"{REPORT} reads the runs in --out and takes no --data; leave it out")
    out = Path(options.out)
    with RunStore(out) as store:
        text, record = write_tables(store, beside=options.beside)
    return Outcome(text, record)
