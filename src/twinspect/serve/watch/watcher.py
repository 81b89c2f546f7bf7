"""Watching: what arrives in a folder, or is seen by a camera, is scored into the store, each file exactly once.

A file's path, time and size are its key, which the store takes once for each model. So it does not matter where a
watcher is killed: what is not accepted is found again, what is accepted is scored at the next start, and what is
scored is known. Files are only read. Folders are polled, which works on every kind of drive.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from twinspect.errors import StoreError
from twinspect.images.png import encode_png
from twinspect.serve.api_errors import ApiError
from twinspect.serve.scoring.model_worker import ScoreRequest
from twinspect.serve.scoring.work_queue import stopping_error
from twinspect.serve.store import Finished
from twinspect.serve.uploads.checks import CheckedImage, Limits, Upload, check, display_name
from twinspect.serve.watch.folder_scan import UnfinishedFiles, scan_folder

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from twinspect.serve.scoring.model_worker import ModelWorker
    from twinspect.serve.store import InspectionRow, Store
    from twinspect.serve.watch.camera import Camera
    from twinspect.serve.watch.folder_scan import Arrival

LOG = logging.getLogger(__name__)
POLL_INTERVAL: Final = 2.0
"""Seconds between looks."""
GRACE_PERIOD: Final = 30.0
"""Seconds that a file may stay unreadable without changing."""
_LIMITS: Final = Limits(image_bytes=2**30)
"""Whoever may write into the folder is trusted with larger files than a client."""
_FULL_QUEUE_RETRY: Final = 0.05
"""Seconds between tries to put an image into a full queue."""


@dataclass
class Tally:
    """What became of images.

    Attributes:
        scored: how many have a score.
        anomalous: how many of these are anomalous.
        failed: how many could not be read or scored.
    """

    scored: int = 0
    anomalous: int = 0
    failed: int = 0

    def told(self, _model: str, results: Sequence[Finished]) -> None:
        """Count the results of a batch."""
        failed = sum(result.error is not None for result in results)
        self.failed += failed
        self.scored += len(results) - failed
        self.anomalous += sum(bool(result.is_anomalous) for result in results)


@dataclass(frozen=True)
class Intake:
    """Puts images into the store and a model's queue.

    Attributes:
        store: where everything is kept.
        served: the model.
        category: what the images show; empty where there is one product only.
        stop: ends waiting for room in the queue.
        told: called with what became of images that never reach the queue.
    """

    store: Store
    worker: ModelWorker
    category: str
    stop: threading.Event
    told: Callable[[str, Sequence[Finished]], None]

    def take(self, image: CheckedImage, key: str | None) -> InspectionRow | None:
        """Accept an image and have it scored; ``None`` where its key is known already.

        Raises:
            StoreError, SQLAlchemyError, OSError: it could not be kept.
            ApiError: the queue is stopping.
        """
        self._reserve()
        row = None
        try:
            row = self._accept(image, key)
        finally:
            if row is None:
                self.worker.queue.release(1)
        if row is not None:
            self.worker.queue.put(ScoreRequest(row, image.pixels))
        return row

    def refuse(self, name: str, data: bytes, suffix: str, key: str, reason: str) -> None:
        """Note that a file is no image; its bytes are kept, so that somebody can look what it was."""
        stored = self.store.archive.put(data, suffix, 0, 0)
        row = self.store.accept(
            self.worker.id, stored, name=name, category=self.category, source="watch", source_key=key
        )
        if row is not None:
            finished = [Finished(row.id, error=reason)]
            self.store.finish(finished)
            self.told(self.worker.name, finished)

    def _accept(self, image: CheckedImage, key: str | None) -> InspectionRow | None:
        height, width = image.pixels.shape[:2]
        stored = self.store.archive.put(image.data, image.suffix, width, height)
        return self.store.accept(
            self.worker.id, stored, name=image.name, category=self.category, source="watch", source_key=key
        )

    def _reserve(self) -> None:
        while not self._has_room():
            if self.stop.wait(_FULL_QUEUE_RETRY):
                raise stopping_error()

    def _has_room(self) -> bool:
        try:
            self.worker.queue.reserve(1)
        except ApiError as refusal:
            if refusal.code != "queue_full":
                raise
            return False
        return True


class FolderWatch:
    """Looks into a folder.

    Args:
        intake: where images go.
        folder: where they come from; folders below it count too.
        leave_out: folders that are not looked into, such as the store's own.
        grace: seconds that a file may stay unreadable without changing.
        clock: tells seconds that only go forward.

    Raises:
        OSError: the folder is not there.
    """

    def __init__(
        self,
        intake: Intake,
        folder: Path,
        *,
        leave_out: Sequence[Path] = (),
        grace: float = GRACE_PERIOD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        os.scandir(folder).close()
        self._intake, self._folder, self._leave_out, self._clock = intake, folder, tuple(leave_out), clock
        self._settling = UnfinishedFiles(grace)
        self._known = intake.store.source_keys(intake.worker.id)

    @property
    def is_idle(self) -> bool:
        """Whether everything that is there is dealt with."""
        return not self._settling.waiting

    def look(self) -> int:
        """Look once; says how many files were dealt with.

        What the store does not take now is tried at the next look.
        """
        now = self._clock()
        there = scan_folder(self._folder, self._leave_out)
        fresh = [each for each in there if each.key not in self._known]
        dealt = 0
        for arrival in self._settling.look(fresh, now):
            if self._intake.stop.is_set():
                break
            try:
                dealt += self._deal(arrival, now)
            except (StoreError, SQLAlchemyError, OSError):
                LOG.exception("%s: not accepted; trying again", arrival.path)
        return dealt

    def _deal(self, arrival: Arrival, now: float) -> bool:
        """Accept one file, give it up, or leave it for later."""
        data, reason = _read_file(arrival)
        if data is None:
            return False
        name = display_name(Path(arrival.path).name)
        try:
            image = _check_file(
                Upload(name, data, len(data)), reason, self._intake.worker.version.detector.bits
            )
        except ApiError as refusal:
            if not self._settling.is_over(arrival, now):
                self._settling.tried(arrival)
                return False
            LOG.warning("%s: %s", arrival.path, refusal.message)
            suffix = Path(arrival.path).suffix.lower()
            self._intake.refuse(name, data, suffix, arrival.key, refusal.message)
        else:
            self._intake.take(image, arrival.key)
        self._settling.done(arrival)
        self._known.add(arrival.key)
        return True


class CameraWatch:
    """Takes a picture at every look.

    Args:
        intake: where pictures go.
        camera: where they come from.
        name: what the pictures are called, beside their number.
    """

    is_idle = True

    def __init__(self, intake: Intake, camera: Camera, name: str) -> None:
        self._intake, self._camera, self._name = intake, camera, name
        self._taken = 0

    def look(self) -> int:
        """Take a picture; says whether there was one."""
        pixels = self._camera.grab()
        if pixels is None:
            LOG.warning("%s gives no picture; opening it again", self._name)
            return 0
        self._taken += 1
        image = CheckedImage(f"{self._name} {self._taken}.png", encode_png(pixels), ".png", pixels)
        try:
            self._intake.take(image, None)
        except (StoreError, SQLAlchemyError, OSError):
            LOG.exception("%s: a picture was not accepted", self._name)
        return 1


def watch(
    source: FolderWatch | CameraWatch,
    stop: threading.Event,
    *,
    every: float = POLL_INTERVAL,
    once: bool = False,
) -> None:
    """Look again and again.

    Args:
        source: where to look.
        stop: ends it.
        every: seconds between looks.
        once: end when everything that is there is dealt with.
    """
    with suppress(ApiError):  # the queue is stopping
        while not stop.is_set():
            source.look()
            if once and source.is_idle:
                return
            stop.wait(every)


def _read_file(arrival: Arrival) -> tuple[bytes | None, str]:
    """Read a file: its bytes, or ``None`` where it is another or none by now; and why it cannot be read, if so."""
    try:
        with open(arrival.path, "rb") as file:  # noqa: PTH123 - the path may be no text
            data = file.read()
            about = os.fstat(file.fileno())
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return b"", f"the file cannot be read: {error.strerror}"
    is_same = (about.st_mtime_ns, about.st_size) == (arrival.modified, arrival.size)
    return (data if is_same else None), ""


def _check_file(upload: Upload, reason: str, bits: int | None) -> CheckedImage:
    """Decode a file that could be read.

    Raises:
        ApiError: it could not, or is no image.
    """
    if reason:
        raise ApiError("image_damaged", reason)
    return check(upload, _LIMITS, bits=bits)
