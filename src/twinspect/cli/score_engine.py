"""`twinspect score --engine`: the same rows in shards, by one process or many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.bundle.folder import read_model_record
from twinspect.calibration.conformal import Calibration
from twinspect.cli.console import counted, warn
from twinspect.cli.model_loading import chosen_runtime, runtime_of_key
from twinspect.cli.outcome import Outcome, code_of
from twinspect.cli.part_table import check_parts_known, decide_parts
from twinspect.cli.score_files import TABLES
from twinspect.errors import ConfigError, DataError
from twinspect.loading import TORCH, check_threads
from twinspect.utils.progress_bar import Bar

if TYPE_CHECKING:
    import argparse

    from twinspect.scale.job import ScoringEngine, ScoringJob

_OF_ENGINES = ("address", "actors", "cpus_per_actor", "gpus_per_actor", "shard_images", "image_column")
COUNTS = ("images", "anomalous", "not_inspectable", "unreadable", "shards", "left_out")
_OF_RAY = ("address", "actors", "gpus_per_actor")


def is_requested(options: argparse.Namespace) -> bool:
    """Whether an engine was named.

    Raises:
        ConfigError: options for engines, without one.
    """
    if options.engine is None:
        _refuse(options, _OF_ENGINES, "--engine local or --engine ray")
    return options.engine is not None


def run(options: argparse.Namespace) -> Outcome:
    """Score into a folder of shards, or resume there."""
    from twinspect.scale.listing import name_parts
    from twinspect.scale.score_shards import score_in_shards

    _check(options)
    check_parts_known(options.parts, lambda: name_parts(options.images))
    job, engine = _job(options), _engine(options)
    with Bar() as bar:
        record = score_in_shards(
            job,
            options.images,
            engine=engine,
            shard_images=_default_to(options.shard_images, 512),
            column=options.image_column,
            overwrite=options.overwrite,
            progress=bar,
            note=warn,
        )
    found = _outcome(record, options)
    found = replace(found, record={**found.record, "runtime": job.export or TORCH})
    return found if options.parts is None else _with_parts(found, options)


def _with_parts(found: Outcome, options: argparse.Namespace) -> Outcome:
    """Decide on the parts that the rows of all shards show, and write their table.

    Raises:
        DataError: the plan of the shards does not say which part an image shows.
    """
    from twinspect.scale.run_folder import open_run_folder
    from twinspect.scale.shard import rows_of_parts

    calibration = Calibration.from_record(read_model_record(Path(options.model))["calibration"])
    in_words, record = decide_parts(rows_of_parts(open_run_folder(options.out)), calibration, options)
    if not in_words:
        raise DataError(
            f"--parts {options.parts}: no row of {options.out} says which part its image shows: they were listed by "
            "an earlier version; --overwrite scores them again"
        )
    return replace(found, text=f"{found.text}\n{in_words}", record={**found.record, **record})


def _job(options: argparse.Namespace) -> ScoringJob:
    from twinspect.scale.job import ScoringJob
    from twinspect.scale.model_transfer import export_name

    model = Path(options.model)
    check_threads(options.threads)
    return ScoringJob(
        model=model,
        out=options.out,
        export=export_name(model, _runtime_of_run(options) or chosen_runtime(options)),
        device=options.device,
        threads=_positive("--cpus-per-actor", _default_to(options.cpus_per_actor, options.threads or 1)),
        workers=options.workers,
        category=options.category,
    )


def _runtime_of_run(options: argparse.Namespace) -> str | None:
    """Name the runtime that a folder of shards was begun with, unless one is named now."""
    from twinspect.scale.score_shards import model_of_run

    if options.runtime is not None or options.overwrite:
        return None
    key = model_of_run(options.out)
    return None if key is None else runtime_of_key(Path(options.model), key)


def _engine(options: argparse.Namespace) -> ScoringEngine:
    if options.engine == "local":
        from twinspect.scale.local_engine import run as local_engine

        _refuse(options, _OF_RAY, "--engine ray")
        return local_engine
    from twinspect.scale.ray_engine import RayEngine

    least, most = _pool(options.actors)
    return RayEngine(least, most, gpus=_default_to(options.gpus_per_actor, 0), address=options.address).run


def _pool(text: str | None) -> tuple[int, int | None]:
    """Read ``N`` or ``MIN,MAX``."""
    if text is None:
        return 1, None
    try:
        numbers = [int(part) for part in text.split(",")]
        least, most = numbers[0], numbers[-1]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise ConfigError(f"--actors {text}; allowed are a number, 4, or the least and the most, 2,16")
    return least, most


def _check(options: argparse.Namespace) -> None:
    from twinspect.scale.storage import suffix

    if options.out is None:
        raise ConfigError(
            f"--engine {options.engine} writes shards; name a folder or URI for them: --out DIR"
        )
    if Path(options.out).is_file():
        raise ConfigError(f"--out {options.out} is a file; with --engine it is a folder or URI")
    ending = suffix(options.out)
    if (
        ending in TABLES and not Path(options.out).is_dir()
    ):  # an earlier version made such folders; they go on
        raise ConfigError(
            f"--out {options.out} looks like a file; with --engine the rows are parts in a folder: "
            f"type --out {options.out[: -len(ending)]}, or leave out --engine for one {ending} file"
        )
    for name in ("maps", "masks", "crops", "coco", "min_area", "mm_per_px"):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} cannot be combined with --engine; score the images that need it without"
            )


def _refuse(options: argparse.Namespace, names: tuple[str, ...], need: str) -> None:
    for name in names:
        if getattr(options, name) is not None:
            raise ConfigError(f"--{name.replace('_', '-')} needs {need}")


def _default_to(value: Any, default: Any) -> Any:
    return default if value is None else value


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ConfigError(f"{name} {value}; allowed is 1 or more")
    return value


def _outcome(manifest: dict[str, Any], options: argparse.Namespace) -> Outcome:
    counts = {name: manifest[name] for name in COUNTS}
    images, anomalous, unreadable = counts["images"], counts["anomalous"], counts["unreadable"]
    if unreadable:
        warn(f"{unreadable} of {images} images could not be read; see errors/ in {options.out}")
    not_inspectable = counts["not_inspectable"]
    text = (
        f"{options.out}: {counted(images, 'image')} in {counted(counts['shards'], 'shard')}, {anomalous} anomalous, "
        f"{unreadable} unreadable"
    )
    if not_inspectable:
        text += f", {not_inspectable} not inspectable"
    text += "\na folder: the rows are in rows/part-….parquet, and manifest.json lists the parts"
    refused = len(manifest["refused"])
    code = code_of(anomalous, unreadable + refused, not_inspectable, fail_on_anomaly=options.fail_on_anomaly)
    return Outcome(text, {**counts, "out": options.out}, code)
