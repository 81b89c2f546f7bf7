"""What a watch does with each verdict: prints it, moves anomalous images and runs a command on them.

All of it happens in a thread of its own, after the result is in the store, so nothing here delays or stops scoring.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twinspect.errors import StoreError
from twinspect.inference.verdicts import in_thresholds, verdict
from twinspect.serve.sources.folder_scan import find_arrival
from twinspect.serve.sources.moving import move_without_overwriting
from twinspect.utils.spelling import spell, unspell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twinspect.serve.store import Finished, InspectionRow, Store

LOG = logging.getLogger(__name__)
COMMAND_TIMEOUT: Final = 60.0
"""Seconds after which a command is stopped."""


@dataclass(frozen=True)
class Reactions:
    """What is done with a result.

    Attributes:
        store: where results are.
        folder: the watched folder, absolute; ``None`` for a camera.
        say: prints a line.
        command: the program and its arguments, run on each anomalous image, whose path is added as the last argument;
            empty for none. No shell is involved.
        move_to: where anomalous images are moved; ``None`` to leave them.
        timeout: seconds after which the command is stopped.
    """

    store: Store
    folder: Path | None
    say: Callable[[str], None]
    command: Sequence[str] = ()
    move_to: Path | None = None
    timeout: float = COMMAND_TIMEOUT

    def react(self, result: Finished) -> None:
        """Print a verdict, and act on it if the image is anomalous.

        Raises:
            StoreError, SQLAlchemyError: the store does not respond.
        """
        row = self.store.inspection(result.id)
        threshold = self._threshold(row)
        self.say(self._line(row, threshold))
        if row.is_anomalous:
            path = self._move(row.source_key) if row.source_key and self.move_to else self._path(row)
            if self.command:
                self._run(path, row, threshold)

    def move_left_behind(self, model_id: int) -> None:
        """Move anomalous images that are still in the folder: an earlier run ended before, or did not move any."""
        if self.move_to is None:
            return
        for key in sorted(self.store.source_keys(model_id, anomalous=True)):
            if (path := self._move(key)) is not None:
                self.say(f"moved {spell(str(path))}: found anomalous by an earlier run")

    def _threshold(self, row: InspectionRow) -> float | None:
        if row.calibration_id is None:
            return None
        return self.store.calibration(row.calibration_id).calibration.of(row.category).threshold

    def _line(self, row: InspectionRow, threshold: float | None) -> str:
        time = (row.scored_at or row.accepted_at).astimezone().strftime("%H:%M:%S")
        words = verdict(row.is_anomalous, is_inspectable=not row.not_inspectable)
        words = f"{time}  {self._name(row)}  {words}"
        if reason := row.error or row.not_inspectable:
            return f"{words}: {spell(reason)}"
        if row.score is not None and threshold is not None:
            words = f"{words}  {in_thresholds(row.score, threshold)}"
        return f"{words}; {row.notice}" if row.notice else words

    def _name(self, row: InspectionRow) -> str:
        """Name an image by its path below the folder, as it is spelled in the store."""
        if row.source_key is None or self.folder is None:
            return row.name
        path = row.source_key.rsplit("|", 2)[0]
        return path.removeprefix(f"{self.folder}{os.sep}")

    def _path(self, row: InspectionRow) -> Path | None:
        """Find the image's file: where it arrived, or else, as for a camera, the copy in the archive."""
        found = find_arrival(row.source_key) if row.source_key else None
        if found is not None:
            return found
        with suppress(StoreError):
            return self.store.archive.path(row.image.sha256)
        return None

    def _move(self, key: str) -> Path | None:
        """Move a file if it is still what was scored; returns where it is then, or ``None`` if it is gone."""
        path = find_arrival(key)
        if (
            path is None
            or self.folder is None
            or self.move_to is None
            or not path.is_relative_to(self.folder)
        ):
            return None
        try:
            return move_without_overwriting(path, self.move_to / path.relative_to(self.folder))
        except OSError as error:
            LOG.warning("%s could not be moved to %s: %s", path, self.move_to, error.strerror or error)
            return path

    def _run(self, path: Path | None, row: InspectionRow, threshold: float | None) -> None:
        """Run the command on an image; what goes wrong is said, and that is all."""
        if path is None:
            LOG.warning(
                "%s is gone; --on-anomaly was not run on it", unspell(row.name)
            )  # a log spells its lines
            return
        values = {"IMAGE": path, "NAME": row.name, "SCORE": row.score, "THRESHOLD": threshold}
        environment = os.environ | {f"TWINSPECT_{name}": str(value) for name, value in values.items()}
        try:
            code = _run_command([*self.command, str(path)], environment, self.timeout)
        except (OSError, ValueError) as error:
            LOG.warning("--on-anomaly could not be started on %s: %s", path, error)
        else:
            if code is None:
                LOG.warning("--on-anomaly was stopped on %s: it took more than %g s", path, self.timeout)
            elif code:
                LOG.warning("--on-anomaly ended with code %d on %s", code, path)


class ReactionThread:
    """Reacts to results one after the other, in the order they come.

    Args:
        reactions: what is done.
    """

    def __init__(self, reactions: Reactions) -> None:
        self._reactions = reactions
        self._waiting: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="reactions", daemon=True)
        self._thread.start()

    def add(self, results: Sequence[Finished]) -> None:
        """Put results in the queue."""
        for result in results:
            self._waiting.put(result)

    def close(self) -> None:
        """React to what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (result := self._waiting.get()) is not None:
            self._react_safely(result)

    def _react_safely(self, result: Finished) -> None:
        try:
            self._reactions.react(result)
        except Exception:  # whatever it is, the next result still comes
            LOG.exception("the verdict on inspection %d could not be handled", result.id)


def _run_command(command: Sequence[str], environment: dict[str, str], timeout: float) -> int | None:
    """Run a program, with what it prints on standard error; returns its exit code, or ``None`` if it took too long.

    Raises:
        OSError: it cannot be started.
    """
    # A session of its own: Ctrl-C ends the watch, not the command, and a time-out ends whatever the command started.
    with subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
        command, env=environment, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True
    ) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and those that it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
