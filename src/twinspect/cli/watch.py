"""`twinspect watch`: scores images that arrive in a folder or come from a camera, until it is interrupted."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.errors import ConfigError, unknown_name
from twinspect.serve import check_installed

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from twinspect.serve.watch.camera import Camera
    from twinspect.serve.watch.watcher import CameraWatch, FolderWatch, Intake, Tally


def run(options: argparse.Namespace) -> Outcome:
    """Watch until stopped; what was accepted by then is scored first."""
    _check(options)
    check_installed()
    from twinspect.serve.scoring.model_registry import ModelRegistry
    from twinspect.serve.store import Store
    from twinspect.serve.watch.camera import Camera
    from twinspect.serve.watch.watcher import Intake, Tally, watch

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    camera = Camera(options.camera) if options.camera else None
    tally, stop = Tally(), _stopped_by_signals()
    with Store(options.db, Path(options.data)) as store:
        registry = ModelRegistry(
            [options.model], store, runtime=options.runtime, device=options.device, on_results=tally.count
        )
        worker = next(iter(registry))
        if options.category and options.category not in worker.categories:
            raise unknown_name("category", options.category, worker.categories)
        intake = Intake(store, worker, options.category, stop, tally.count)
        source = _source(options, intake, camera)
        registry.start()
        try:
            watch(source, stop, every=options.every, once=options.once)
        finally:
            registry.stop()
            if camera is not None:
                camera.close()
    return _outcome(tally, options)


def _check(options: argparse.Namespace) -> None:
    if (options.folder is None) == (options.camera is None):
        raise ConfigError("watch takes a folder or a camera; type: twinspect watch DIR --model M.twin")
    if options.camera is not None and options.once:
        raise ConfigError("--once ends when all files are scored; a camera has no end")
    if options.every <= 0 or options.grace < 0:
        raise ConfigError(
            f"--every is {options.every:g} and --grace {options.grace:g} seconds; allowed are above 0, and 0 or more"
        )


def _source(options: argparse.Namespace, intake: Intake, camera: Camera | None) -> FolderWatch | CameraWatch:
    from twinspect.serve.watch.watcher import CameraWatch, FolderWatch

    if camera is not None:
        return CameraWatch(
            intake, camera, f"camera {options.camera.rpartition('@')[2]}"
        )  # without its password
    leave_out = (Path(options.data), Path(options.model))
    return FolderWatch(intake, Path(options.folder), leave_out=leave_out, grace=options.grace)


def _stopped_by_signals() -> threading.Event:
    """Return an event that is set at the first Ctrl-C or SIGTERM; a second one ends the process as usual."""
    stop = threading.Event()

    def leave(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, leave)
        signal.signal(signal.SIGTERM, leave)
    return stop


def _outcome(tally: Tally, options: argparse.Namespace) -> Outcome:
    where = options.folder or options.camera.rpartition("@")[2]
    text = f"{where}: {tally.scored} images scored, {tally.anomalous} anomalous, {tally.failed} failed"
    if tally.not_inspectable:
        text += f", {tally.not_inspectable} not inspectable"
    record = {
        "scored": tally.scored,
        "anomalous": tally.anomalous,
        "not_inspectable": tally.not_inspectable,
        "failed": tally.failed,
        "data": options.data,
    }
    return Outcome(text, record, SOME_UNREADABLE if tally.failed else DONE)
