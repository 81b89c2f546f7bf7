"""`twinspect fit-many`: fit the models that a table lists, one a row, side by side."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.benchmark.run_database import check_folder
from twinspect.benchmark.store import RunStore
from twinspect.benchmark.time_left import PlanStatus, format_duration
from twinspect.cli.class_selection import select_classes
from twinspect.cli.console import warn
from twinspect.cli.fit import build
from twinspect.cli.method_settings import options_of_row
from twinspect.cli.outcome import DONE, SOME_UNREADABLE
from twinspect.cli.remedies import with_options
from twinspect.cli.run_summary import TABLES, outcome
from twinspect.data import open_data
from twinspect.errors import ConfigError, DataError, TwinspectError, UnlabelledError, is_installed
from twinspect.scale.fit_many.engines import LocalFitEngine, RayFitEngine
from twinspect.scale.fit_many.manifest import PATHS, ManifestRow, parse_cpus, parse_gpus, read_manifest
from twinspect.scale.fit_many.plan import FitRequest, plan_fits
from twinspect.scale.fit_many.results_table import FILE as MODELS_TABLE
from twinspect.scale.fit_many.results_table import write_models
from twinspect.scale.fit_many.run import check_places, fit_all, prepare
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from twinspect.cli.outcome import Outcome
    from twinspect.data import DataSet
    from twinspect.detector import Detector
    from twinspect.scale.fit_many.engines import FitEngine
    from twinspect.scale.fit_many.fit_one import FitResult
    from twinspect.scale.fit_many.plan import FitJob


def run(options: argparse.Namespace) -> Outcome:
    """Fit what is not fitted yet."""
    out = Path(options.out)
    check_folder(out, create=True)
    _check_table(Path(options.manifest), out)
    on_ray = _is_on_ray(options)
    requests = [_request(options, row, on_ray) for row in read_manifest(Path(options.manifest))]
    with Bar() as bar:
        engine = (
            RayFitEngine(options.address, max(request.cpus for request in requests))
            if on_ray
            else LocalFitEngine(bar)
        )
        jobs = plan_fits(requests, out, engine.identify)
        with RunStore(out, create=True, device="cpu" if on_ray else options.device) as store:
            check_places(store, jobs, overwrite=options.overwrite)
            prepare(store, jobs, retry=options.retry)
            all_read = _work(store, jobs, engine)
            models = write_models(store, jobs)
            rows = store.rows(job.run.key for job in jobs)
            done = outcome(out, rows, "models", f"models: {models}", f"tables: {TABLES} --out {out}")
            return done if all_read or done.code != DONE else replace(done, code=SOME_UNREADABLE)


def _check_table(manifest: Path, out: Path) -> None:
    """Refuse to write the table of results over the manifest."""
    if manifest.exists() and (out / MODELS_TABLE).exists() and manifest.samefile(out / MODELS_TABLE):
        raise ConfigError(
            f"{manifest} is where the table of results goes; rename the manifest, or choose another --out"
        )


def _is_on_ray(options: argparse.Namespace) -> bool:
    engine: str = options.engine or ("ray" if is_installed("ray") else "local")
    if options.engine is None:
        warn(f"engine {engine}; for the other: --engine {'local' if engine == 'ray' else 'ray'}")
    if options.address and engine != "ray":
        raise ConfigError("--address names a Ray cluster; it goes with --engine ray")
    return engine == "ray"


def _request(options: argparse.Namespace, row: ManifestRow, on_ray: bool) -> FitRequest:
    """Combine the values of a row with the command line, which counts where the row says nothing."""
    try:
        row_options = options_of_row(options, row.options)
        cpus = row.cpus or parse_cpus(options.cpus, "--cpus")
        gpus = parse_gpus(options.gpus, "--gpus") if row.gpus is None else row.gpus
        read = partial(_read, row_options, str(row.data))
        return FitRequest(row.where, row.name, _detector(row_options, cpus, gpus, on_ray), read, cpus, gpus)
    except TwinspectError as error:
        raise ConfigError(f"{row.where}: {error}") from error


def _detector(options: argparse.Namespace, cpus: int, gpus: float, on_ray: bool) -> Detector:
    """Build the unfitted detector; it may be fitted in another process, folder or machine."""
    detector = build(options)
    parameters = detector.get_params()
    if on_ray and detector.device == "auto":
        detector.device = "cuda" if gpus else "cpu"
    if detector.workers is None:
        detector.workers = cpus
    paths = {name: Path(str(parameters[name])) for name in PATHS if parameters.get(name)}
    return detector.set_params(
        **{name: str(path.absolute()) for name, path in paths.items() if path.exists()}
    )


def _read(options: argparse.Namespace, data: str) -> DataSet:
    try:
        return open_data(select_classes(options, data), split="train")
    except UnlabelledError as error:
        raise DataError(with_options(error)) from None


def _work(store: RunStore, jobs: Sequence[FitJob], engine: FitEngine) -> bool:
    """Fit, and tell whether all images of these fits could be read."""
    left_out: list[str] = []

    def report(job: FitJob, result: FitResult, now: PlanStatus) -> None:
        for sentence in result.left_out:
            warn(f"{job.name}: {sentence}")
        left_out.extend(result.left_out)
        if not result.is_usable:
            warn(f"{job.name}: NOT USABLE YET, see: twinspect inspect {job.model}")
        text = f"failed: {job.name}: {result.error}" if result.error else f"fitted: {job.name}"
        warn(f"{text}; {now.done + now.failed} of {now.runs}; left: {format_duration(now.seconds_left)}")

    try:
        fit_all(store, jobs, engine, report)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt("finished models are kept; resume with the same command") from interruption
    return not left_out
