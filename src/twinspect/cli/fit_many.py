"""`twinspect fit-many`: the models that a table lists, one a row, side by side."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.benchmark.schema import check_folder
from twinspect.benchmark.store import RunStore
from twinspect.benchmark.time_left import PlanStatus, format_duration
from twinspect.cli.class_selection import select_classes
from twinspect.cli.console import Bar, warn
from twinspect.cli.fit import build
from twinspect.cli.method_settings import options_of_row
from twinspect.cli.run_summary import TABLES, outcome
from twinspect.data import open_data
from twinspect.errors import ConfigError, TwinspectError, is_installed
from twinspect.scale.fit_many.engines import LocalFitEngine, RayFitEngine
from twinspect.scale.fit_many.manifest import PATHS, ManifestRow, read_entries, share, whole_number
from twinspect.scale.fit_many.plan import Order, make_plan
from twinspect.scale.fit_many.results_table import write_models
from twinspect.scale.fit_many.run import prepare, work

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from twinspect.cli.outcome import Outcome
    from twinspect.data import DataSet
    from twinspect.detector import Detector
    from twinspect.scale.fit_many.engines import FitEngine
    from twinspect.scale.fit_many.fit_one import Made
    from twinspect.scale.fit_many.plan import FitJob


def run(options: argparse.Namespace) -> Outcome:
    """Fit what is not fitted yet."""
    out = Path(options.out)
    check_folder(out, create=True)
    on_ray = _is_on_ray(options)
    orders = [_order(options, entry, on_ray) for entry in read_entries(Path(options.manifest))]
    with Bar() as bar:
        engine = (
            RayFitEngine(options.address, max(order.cpus for order in orders))
            if on_ray
            else LocalFitEngine(bar)
        )
        jobs = make_plan(orders, out, engine.identify)
        with RunStore(out, create=True, device="cpu" if on_ray else options.device) as store:
            prepare(store, jobs, retry=options.retry)
            _work(store, jobs, engine)
            models = write_models(store, jobs)
            rows = store.rows(job.run.key for job in jobs)
            return outcome(out, rows, "models", f"models: {models}", f"tables: {TABLES} --out {out}")


def _is_on_ray(options: argparse.Namespace) -> bool:
    engine: str = options.engine or ("ray" if is_installed("ray") else "local")
    if options.engine is None:
        warn(f"engine {engine}; for the other: --engine {'local' if engine == 'ray' else 'ray'}")
    if options.address and engine != "ray":
        raise ConfigError("--address names a Ray cluster; it goes with --engine ray")
    return engine == "ray"


def _order(options: argparse.Namespace, entry: ManifestRow, on_ray: bool) -> Order:
    """Put together what a row says and what the command line says for rows that say nothing."""
    try:
        own = options_of_row(options, entry.options)
        cpus = entry.cpus or whole_number(options.cpus, "--cpus")
        gpus = share(options.gpus, "--gpus") if entry.gpus is None else entry.gpus
        read = partial(_read, own, str(entry.data))
        return Order(entry.where, entry.name, _detector(own, cpus, gpus, on_ray), read, cpus, gpus)
    except TwinspectError as error:
        raise ConfigError(f"{entry.where}: {error}") from error


def _detector(options: argparse.Namespace, cpus: int, gpus: float, on_ray: bool) -> Detector:
    """Build the detector that is fitted, perhaps in another process and folder, on what it is given there."""
    detector = build(options)
    given = detector.get_params()
    if on_ray and detector.device == "auto":
        detector.device = "cuda" if gpus else "cpu"
    if detector.workers is None:
        detector.workers = cpus
    paths = {name: given[name] for name in PATHS if given.get(name) and Path(given[name]).exists()}
    return detector.set_params(**{name: str(Path(path).absolute()) for name, path in paths.items()})


def _read(options: argparse.Namespace, data: str) -> DataSet:
    return open_data(select_classes(options, data), split="train")


def _work(store: RunStore, jobs: Sequence[FitJob], engine: FitEngine) -> None:
    def told(job: FitJob, made: Made, now: PlanStatus) -> None:
        said = f"failed: {job.name}: {made.error}" if made.error else f"fitted: {job.name}"
        warn(f"{said}; {now.done + now.failed} of {now.runs}; left: {format_duration(now.seconds_left)}")

    try:
        work(store, jobs, engine, told)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt("what was done is kept; go on with the same command") from interruption
