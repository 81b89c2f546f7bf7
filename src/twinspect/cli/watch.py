"""`twinspect watch`: scores images that arrive in a folder or come from a camera, until it is interrupted."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twinspect.cli.console import warn
from twinspect.cli.outcome import DONE, SOME_UNREADABLE, Outcome
from twinspect.errors import ConfigError, unknown_name
from twinspect.loading import check_threads
from twinspect.serve import check_installed
from twinspect.utils.progress import finish

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import FrameType
    from typing import TextIO

    from twinspect.serve.sources.camera import Camera
    from twinspect.serve.sources.reactions import Reactions
    from twinspect.serve.sources.watcher import CameraWatch, FolderWatch, Intake, Tally
    from twinspect.serve.store import Finished, Store


def run(options: argparse.Namespace) -> Outcome:
    """Watch until stopped; what was accepted by then is scored first."""
    _check(options)
    check_installed()
    from twinspect.serve.logs import log_to_stderr
    from twinspect.serve.scoring.model_registry import ModelRegistry
    from twinspect.serve.sources.camera import Camera
    from twinspect.serve.sources.reactions import ReactionThread
    from twinspect.serve.sources.watcher import Intake, Tally, watch
    from twinspect.serve.store import Store

    log_to_stderr("%(asctime)s %(levelname)s %(message)s")
    camera = Camera(options.camera) if options.camera else None
    tally, stop = Tally(), _stopped_by_signals()
    with Store(options.db, Path(options.data)) as store:
        reactions = _reactions(options, store)
        thread = ReactionThread(reactions)

        def on_results(model: str, results: Sequence[Finished]) -> None:
            tally.count(model, results)
            thread.add(results)

        registry = ModelRegistry(
            [options.model],
            store,
            runtime=options.runtime,
            device=options.device,
            threads=options.threads,
            on_results=on_results,
        )
        worker = next(iter(registry))
        if options.category and options.category not in worker.categories:
            raise unknown_name("category", options.category, worker.categories)
        intake = Intake(store, worker, options.category, stop, on_results)
        source = _source(options, intake, camera)
        reactions.move_left_behind(worker.id)
        registry.start()
        finish()
        warn(f"watching {options.folder or options.camera}; Ctrl-C ends it")
        try:
            watch(source, stop, every=options.every, once=options.once)
        finally:
            registry.stop()
            thread.close()
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

    check_threads(options.threads)
    _command(options.on_anomaly)  # before anything is loaded
    if options.move is not None:
        _check_move(options)


def _check_move(options: argparse.Namespace) -> None:
    if options.folder is None:
        raise ConfigError("--move moves files of a folder; a camera has none")
    folder, target = (Path(path).resolve() for path in (options.folder, options.move))
    if folder.is_relative_to(target):
        raise ConfigError(
            f"--move {options.move} is the watched folder or above it, so images would arrive again; "
            "choose a folder in it or elsewhere"
        )


def _reactions(options: argparse.Namespace, store: Store) -> Reactions:
    from twinspect.serve.sources.reactions import Reactions

    folder = None if options.folder is None else Path(os.path.abspath(options.folder))  # noqa: PTH100 - links stay
    move_to = None if options.move is None else Path(options.move).absolute()
    say = partial(_say, sys.stderr if options.json else sys.stdout)
    return Reactions(store, folder, say, _command(options.on_anomaly), move_to)


def _command(text: str | None) -> list[str]:
    """Split a command as a shell would, without one; check that its program exists."""
    if text is None:
        return []
    try:
        command = shlex.split(text, posix=os.name != "nt")
    except ValueError as error:
        raise ConfigError(f"--on-anomaly {text!r}: {error}") from error
    if not command or shutil.which(command[0]) is None:
        raise ConfigError(
            f"--on-anomaly {text!r}: there is no such program; give a program and its arguments, for a shell's "
            "syntax: sh -c '… \"$0\"'"
        )
    return command


def _say(stream: TextIO, text: str) -> None:
    """Print a line; a reader that is gone, or cannot show a name, stops nothing."""
    with suppress(OSError):
        encoding = stream.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def _source(options: argparse.Namespace, intake: Intake, camera: Camera | None) -> FolderWatch | CameraWatch:
    from twinspect.serve.sources.watcher import CameraWatch, FolderWatch

    if camera is not None:
        return CameraWatch(
            intake, camera, f"camera {options.camera.rpartition('@')[2]}"
        )  # without its password
    leave_out = [Path(options.data), Path(options.model), *([Path(options.move)] if options.move else [])]
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
