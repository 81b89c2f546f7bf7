"""Watching a folder or a camera: images are scored into the store, each file exactly once.

A file's path, time and size are its key, which the store accepts once for each model. A watcher may therefore be
killed at any point: files that were not accepted are found again, those accepted are scored at the next start, and
those scored are known. Files are only read. Folders are polled, which works on every kind of drive.
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

from twinspect.errors import StoreError, in_one_line
from twinspect.images.png import encode_png
from twinspect.serve.api_errors import ApiError
from twinspect.serve.scoring.model_worker import ScoreRequest
from twinspect.serve.scoring.work_queue import stopping_error
from twinspect.serve.sources.folder_scan import UnfinishedFiles, scan_folder
from twinspect.serve.store import Finished
from twinspect.serve.uploads.checks import CheckedImage, Limits, Upload, check
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from twinspect.serve.scoring.model_worker import ModelWorker
    from twinspect.serve.sources.camera import Camera
    from twinspect.serve.sources.folder_scan import Arrival
    from twinspect.serve.store import InspectionRow, Store

LOG = logging.getLogger(__name__)
POLL_INTERVAL: Final = 2.0
"""Seconds between polls."""
GRACE_PERIOD: Final = 30.0
"""Seconds that a file may stay unreadable without changing."""
_LIMITS: Final = Limits(image_bytes=2**30)
"""Whoever can write into the folder is trusted with larger files than a client."""
_FULL_QUEUE_RETRY: Final = 0.05
"""Seconds between tries to put an image into a full queue."""


@dataclass
class Tally:
    """Counts of the results of images.

    Attributes:
        scored: how many have a score.
        anomalous: how many of these are anomalous.
        not_inspectable: how many of these could not be inspected.
        failed: how many could not be read or scored.
    """

    scored: int = 0
    anomalous: int = 0
    not_inspectable: int = 0
    failed: int = 0

    def count(self, _model: str, results: Sequence[Finished]) -> None:
        """Count the results of a batch."""
        failed = sum(result.error is not None for result in results)
        self.failed += failed
        self.scored += len(results) - failed
        self.anomalous += sum(bool(result.is_anomalous) for result in results)
        self.not_inspectable += sum(bool(result.not_inspectable) for result in results)


@dataclass(frozen=True)
class Intake:
    """Puts images into the store and a model's queue.

    Attributes:
        store: where images and inspections are kept.
        worker: scores the images.
        category: what the images show; empty if there is only one product.
        stop: ends waiting for room in the queue.
        on_results: called with the results of images that never reach the queue.
    """

    store: Store
    worker: ModelWorker
    category: str
    stop: threading.Event
    on_results: Callable[[str, Sequence[Finished]], None]

    def accept(self, image: CheckedImage, key: str | None) -> InspectionRow | None:
        """Accept an image for scoring; returns ``None`` if its key is known already.

        Raises:
            StoreError, SQLAlchemyError, OSError: it could not be stored.
            ApiError: the queue is stopping.
        """
        self._reserve()
        row = None
        try:
            row = self._store(image, key)
        finally:
            if row is None:
                self.worker.queue.release(1)
        if row is not None:
            self.worker.queue.put(ScoreRequest(row, image.pixels))
        return row

    def refuse(self, name: str, data: bytes, suffix: str, key: str, reason: str) -> None:
        """Record that a file is not an image; its bytes are kept, so that people can inspect it."""
        stored = self.store.archive.put(data, suffix, 0, 0)
        row = self.store.accept(
            self.worker.id, stored, name=name, category=self.category, source="watch", source_key=key
        )
        if row is not None:
            finished = [Finished(row.id, error=reason)]
            self.store.finish(finished)
            self.on_results(self.worker.name, finished)

    def _store(self, image: CheckedImage, key: str | None) -> InspectionRow | None:
        height, width = image.pixels.shape[:2]
        stored = self.store.archive.put(image.data, image.suffix, width, height)
        return self.store.accept(
            self.worker.id,
            stored,
            name=image.name,
            category=self.category,
            source="watch",
            source_key=key,
        )

    def _reserve(self) -> None:
        while not self._has_room():
            if self.stop.wait(_FULL_QUEUE_RETRY):
                raise stopping_error()

    def _has_room(self) -> bool:
        try:
            self.worker.queue.reserve(1)
        except ApiError as error:
            if error.code != "queue_full":
                raise
            return False
        return True


class FolderWatch:
    """Polls a folder.

    Args:
        intake: where images go.
        folder: where they come from, subfolders included.
        leave_out: folders to skip, such as the store's own.
        grace: seconds that a file may stay unreadable without changing.
        clock: returns seconds of a monotonic clock.

    Raises:
        OSError: the folder does not exist or cannot be read.
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
        self._unfinished = UnfinishedFiles(grace)
        self._known = intake.store.source_keys(intake.worker.id)

    @property
    def is_idle(self) -> bool:
        """Whether every file in the folder is finished."""
        return not self._unfinished.waiting

    def poll(self) -> int:
        """Scan the folder once, and return how many files were finished.

        What the store does not accept now is tried again at the next poll.
        """
        now = self._clock()
        arrivals = scan_folder(self._folder, self._leave_out)
        new = [arrival for arrival in arrivals if arrival.key not in self._known]
        finished = 0
        for arrival in self._unfinished.select_ready(new, now):
            if self._intake.stop.is_set():
                break
            try:
                finished += self._process(arrival, now)
            except (StoreError, SQLAlchemyError, OSError) as error:
                LOG.error("%s: not accepted (%s); trying again", arrival.path, in_one_line(error))  # noqa: TRY400
        return finished

    def _process(self, arrival: Arrival, now: float) -> bool:
        """Accept one file, give it up, or leave it for later; returns whether it is finished."""
        data, reason = _read_file(arrival)
        if data is None:
            return False
        name = spell(Path(arrival.path).name)
        try:
            image = _check_file(
                Upload(name, data, len(data)), reason, self._intake.worker.version.detector.bits
            )
        except ApiError as error:
            if not self._unfinished.is_over(arrival, now):
                self._unfinished.mark_tried(arrival)
                return False
            LOG.warning("%s: %s", arrival.path, error.message)
            suffix = Path(arrival.path).suffix.lower()
            self._intake.refuse(name, data, suffix, arrival.key, error.message)
        else:
            self._intake.accept(image, arrival.key)
        self._unfinished.remove(arrival)
        self._known.add(arrival.key)
        return True


class CameraWatch:
    """Takes an image from a camera at every poll.

    Args:
        intake: where images go.
        camera: where they come from.
        name: the images' name, before their number.
    """

    is_idle = True

    def __init__(self, intake: Intake, camera: Camera, name: str) -> None:
        self._intake, self._camera, self._name = intake, camera, name
        self._count = 0

    def poll(self) -> int:
        """Take an image, and return how many there were: 1, or 0 if the camera delivers none."""
        pixels = self._camera.grab()
        if pixels is None:
            LOG.warning("%s delivers no image; reopening it", self._name)
            return 0
        self._count += 1
        image = CheckedImage(spell(f"{self._name} {self._count}.png"), encode_png(pixels), ".png", pixels)
        try:
            self._intake.accept(image, None)
        except (StoreError, SQLAlchemyError, OSError) as error:
            LOG.error("%s: an image was not accepted (%s)", self._name, in_one_line(error))  # noqa: TRY400
        return 1


def watch(
    source: FolderWatch | CameraWatch,
    stop: threading.Event,
    *,
    every: float = POLL_INTERVAL,
    once: bool = False,
) -> None:
    """Poll a source until it is stopped.

    Args:
        source: a folder or a camera.
        stop: ends it when set.
        every: seconds between polls.
        once: end when every file in the folder is finished.
    """
    with suppress(ApiError):  # the queue is stopping
        while not stop.is_set():
            source.poll()
            if once and source.is_idle:
                return
            stop.wait(every)


def _read_file(arrival: Arrival) -> tuple[bytes | None, str]:
    """Read a file; returns its bytes, or ``None`` if it changed or vanished, and why it cannot be read, if so."""
    try:
        with open(arrival.path, "rb") as file:  # noqa: PTH123 - the path may hold lone surrogates
            data = file.read()
            stat = os.fstat(file.fileno())
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return b"", f"the file cannot be read: {error.strerror}"
    is_same = (stat.st_mtime_ns, stat.st_size) == (arrival.modified, arrival.size)
    return (data if is_same else None), ""


def _check_file(upload: Upload, reason: str, bits: int | None) -> CheckedImage:
    """Decode a file that could be read.

    Raises:
        ApiError: it could not be read, or is not an image.
    """
    if reason:
        raise ApiError("image_damaged", reason)
    return check(upload, _LIMITS, bits=bits)
