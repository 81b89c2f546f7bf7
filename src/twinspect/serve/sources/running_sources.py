"""The sources of a server: each takes images in a thread of its own, started and stopped as they change."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy.exc import SQLAlchemyError

from twinspect.errors import TwinspectError, in_one_line
from twinspect.images.png import encode_png
from twinspect.serve.api_errors import ApiError
from twinspect.serve.sources.camera import import_opencv, open_capture
from twinspect.serve.sources.frames import FrameReader
from twinspect.serve.sources.origins import FolderOrigin, read_origin
from twinspect.serve.sources.watcher import FolderWatch, Intake
from twinspect.serve.store.endpoints import Endpoints, sources
from twinspect.serve.uploads.checks import CheckedImage
from twinspect.utils.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.serve.scoring.model_registry import ModelRegistry
    from twinspect.serve.scoring.model_worker import ModelWorker
    from twinspect.serve.sources.frames import Frame
    from twinspect.serve.store import Finished, Store
    from twinspect.serve.store.line_records import SourceRow

LOG = logging.getLogger(__name__)
SourceState = Literal["running", "triggered", "starting", "no_model", "failing", "paused"]
_STOP_SECONDS: Final = 5.0


@dataclass
class RunningSources:
    """Takes images from the sources that the store has, as the store has them.

    Attributes:
        store: where sources and inspections are.
        registry: the models that score.
        on_results: called with the results of files that are no images.
        leave_out: folders in which nothing is looked for.
        opener: opens cameras, as for :class:`.Camera`.
    """

    store: Store
    registry: ModelRegistry
    on_results: Callable[[str, Sequence[Finished]], None]
    leave_out: Sequence[Path] = ()
    opener: Callable[[str], Any] = open_capture
    _running: dict[int, RunningSource] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Make access to the store."""
        self.rows: Endpoints[SourceRow] = sources(self.store)

    def refresh(self) -> None:
        """Start and stop sources, so that those run that the store has, each as the store has it."""
        with self._lock:
            rows = {row.id: row for row in self.rows.all() if not row.paused}
            for number, running in list(self._running.items()):
                if rows.get(number) != running.row:
                    self._running.pop(number).stop()
            for number in rows.keys() - self._running.keys():
                self._running[number] = RunningSource(rows[number], self)

    def get(self, number: int) -> RunningSource | None:
        """Return a source that runs; ``None`` for one that is paused."""
        return self._running.get(number)

    def worker(self, model: str) -> ModelWorker | None:
        """Return the model that scores; ``None`` as long as the product has none."""
        with suppress(ApiError):
            return self.registry.get(model)
        return None

    def check_installed(self) -> None:
        """Refuse to take images from a camera where OpenCV is missing.

        Raises:
            MissingExtraError: it is.
        """
        if self.opener is open_capture:
            import_opencv()

    def stop(self) -> None:
        """Stop all sources."""
        with self._lock:
            for running in self._running.values():
                running.stop()
            self._running.clear()


class RunningSource:
    """One source, in a thread.

    Args:
        row: as the store has it.
        owner: has what all sources share.

    Attributes:
        reader: of the camera; ``None`` for a folder.
        last_image_at: when it last took an image, UTC.
    """

    def __init__(self, row: SourceRow, owner: RunningSources) -> None:
        self.row, self._owner = row, owner
        self.last_image_at: datetime | None = None
        self._error: str | None = None
        self._intake: Intake | None = None
        self._folder: FolderWatch | None = None
        self._stopping = threading.Event()
        self._origin = read_origin(row.kind, row.settings | row.secrets)
        self.reader: FrameReader | None = None
        if not isinstance(self._origin, FolderOrigin):
            self.reader = FrameReader(row.name, self._origin.address, owner.opener)
        self._thread = threading.Thread(target=self._run, name=f"source-{row.id}", daemon=True)
        self._thread.start()

    @property
    def error(self) -> str | None:
        """What is wrong now; ``None`` if nothing is."""
        return (self.reader.error if self.reader else None) or self._error

    @property
    def state(self) -> SourceState:
        """What it does now."""
        if self.error:
            return "failing"
        if self.reader and self.reader.newest is None:
            return "starting"
        if self._owner.worker(self.row.model) is None:
            return "no_model"
        return "running" if self.row.interval else "triggered"

    def image(self, frame: Frame) -> CheckedImage:
        """Make an image of a frame, named by its time."""
        at = frame.taken_at
        name = spell(f"{self.row.name} {at:%Y-%m-%d %H-%M-%S}.{at.microsecond // 1000:03}.png")
        return CheckedImage(name, encode_png(frame.pixels), ".png", frame.pixels)

    def note_image(self) -> None:
        """Record that an image was taken."""
        self.last_image_at = datetime.now(timezone.utc)

    def stop(self) -> None:
        """Take no more images, and release the camera."""
        self._stopping.set()
        if self.reader:
            self.reader.close()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while self.row.interval and not self._stopping.is_set():
            try:
                self._look()
                self._error = None
            except ApiError:  # the model is not served any more
                self._intake = self._folder = None
            except (TwinspectError, SQLAlchemyError, OSError) as error:
                self._fail(in_one_line(error))
            except Exception:
                LOG.exception("%s: taking an image failed", self.row.name)
                self._error = "a defect of the server; its log says more"
            self._stopping.wait(self.row.interval)

    def _look(self) -> None:
        """Take what is there, once there is a model for it."""
        worker = self._owner.worker(self.row.model)
        if worker is None:
            return
        store, on_results = self._owner.store, self._owner.on_results
        intake = self._intake or Intake(store, worker, self.row.category, self._stopping, on_results)
        self._intake = intake
        if self.reader is None:
            path = Path(self.row.settings["path"])
            self._folder = self._folder or FolderWatch(intake, path, leave_out=self._owner.leave_out)
            if self._folder.poll():
                self.note_image()
        elif (frame := self.reader.next()) is not None:
            intake.accept(self.image(frame), None)
            self.note_image()

    def _fail(self, error: str) -> None:
        if self._error is None:
            LOG.warning("%s: %s", self.row.name, error)
        self._error = error
