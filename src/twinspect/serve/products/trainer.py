"""Runs the jobs of products, one child process at a time, and takes them up again after a restart or a kill."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from twinspect.bundle.folder import is_model, read_model_record
from twinspect.calibration.conformal import Calibration
from twinspect.errors import StoreError, TwinspectError, in_one_line
from twinspect.images.png import encode_png
from twinspect.regions.polygons import region_of_polygons
from twinspect.serve.products.child import ChildProcess, last_error
from twinspect.serve.products.figures import figures_of, held_out_photos
from twinspect.serve.products.folders import ProductFolders
from twinspect.serve.products.steps import TEST, Step, steps_of
from twinspect.serve.products.training_data import DEFECTS, FALSE_ALARMS, GOOD, photo_id, write_training_data
from twinspect.utils.files import write_atomically
from twinspect.utils.locks import is_locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twinspect.serve.store import Store
    from twinspect.serve.store.job_store import JobStore
    from twinspect.serve.store.product_records import JobRow, PhotoRow, VersionRow
    from twinspect.serve.store.product_store import ProductStore

LOG = logging.getLogger(__name__)
POLL: Final = 0.25
"""Seconds between looks at the child and at what is asked."""
STORE_RETRY: Final = 2.0
MOST_STARTS: Final = 10
"""How often in a row a step is started that ends without a result, an error or a new checkpoint, as when killed."""
PATIENCE: Final = 60.0
"""Seconds that a child may take to end when it is asked to; then it is killed, and loses what it did since its last
checkpoint."""
LOCK: Final = ".lock"
"""The file in the folder of checkpoints that a training locks."""
PROGRESS, LOG_FILE = "progress.json", "log.txt"


@dataclass(frozen=True)
class JobProgress:
    """Where a job stands.

    Attributes:
        stage: in words.
        share: of the job that is done, in [0, 1]; ``None`` where nobody knows.
        seconds_left: estimated; ``None`` where nobody knows.
    """

    stage: str
    share: float | None = None
    seconds_left: float | None = None


class _InterruptedError(Exception):
    """The job is to stop here: paused, cancelled, or the server ends."""


class Trainer:
    """A thread that runs jobs. A training goes on while the server is down, and is found again by the next one.

    Args:
        store: the open store, for the archive.
        products: whose jobs these are.
        jobs: the queue.
        data: the server's data folder.
        device: to train on.
        on_version: called with a version once it is complete.
    """

    def __init__(
        self,
        store: Store,
        products: ProductStore,
        jobs: JobStore,
        data: Path,
        device: str,
        on_version: Callable[[JobRow, VersionRow], None],
    ) -> None:
        self._store, self._products, self._jobs = store, products, jobs
        self._data, self._device, self._on_version = data, device, on_version
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="trainer", daemon=True)

    def start(self) -> None:
        """Begin with the job that was running last, if there is one."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the child to itself, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def progress(self, job: JobRow) -> JobProgress:
        """Say where a job stands."""
        if job.state != "running":
            return JobProgress(job.state)
        told = _read_progress(ProductFolders.of(self._data, job.product).job(job.id) / PROGRESS)
        stage = _in_words(str((job.process or {}).get("step", "")), str(told.get("stage", "")))
        if job.minutes is None:
            return JobProgress(stage)
        return _of_budget(stage, 60 * job.minutes, _spent(job))

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self._run_next_safely())

    def _run_next_safely(self) -> float:
        """Run a job if there is one; returns the seconds after which to look again."""
        try:
            return 0.0 if self._run_next() else POLL
        except (StoreError, SQLAlchemyError, OSError) as error:
            LOG.error("the queue of trainings cannot be read: %s", in_one_line(error))  # noqa: TRY400
            return STORE_RETRY

    def _run_next(self) -> bool:
        """Run the oldest job that is not paused; returns whether there was one."""
        ready = [job for job in self._jobs.under_way() if job.state != "paused"]
        if not ready:
            return False
        job = min(ready, key=lambda job: (job.state != "running", job.id))
        try:
            self._run(job)
        except _InterruptedError:
            pass
        except (TwinspectError, OSError) as error:
            self._fail(job, in_one_line(error))
        except SQLAlchemyError:
            raise
        except Exception:
            LOG.exception("job %d failed", job.id)
            self._fail(job, "an internal error; the server's log says which")
        return True

    def _run(self, job: JobRow) -> None:
        product = self._products.get(job.product)
        folders = ProductFolders.of(self._data, job.product)
        if job.state == "waiting":
            job = self._jobs.change(job.id, state="running", started_at=job.started_at or self._store.now())
            self._heed(job)  # what was asked since the queue was read
        if job.kind != "export":
            photos = self._products.photos(product.id)
            versions = self._products.versions(product.id)
            write_training_data(folders.job(job.id), self._store.archive, product, photos, versions)
        first, *others = steps_of(job, folders, self._device)
        self._do(job, first, folders)
        if job.kind != "export":  # before the report is written: it may decide by then
            self._on_version(job, self._add_version(job, folders))
        for step in others:
            if not step.result.exists():
                self._write_test_data(job, folders)
            self._do(job, step, folders)
        self._jobs.change(job.id, state="done", ended_at=self._store.now(), process=None)
        shutil.rmtree(folders.job(job.id), ignore_errors=True)

    def _do(self, job: JobRow, step: Step, folders: ProductFolders) -> None:
        """Run a step until its result is there.

        Raises:
            TwinspectError: it failed, and the job with it.
            _InterruptedError: it was paused or cancelled, or the server ends.
        """
        log, checkpoints = folders.job(job.id) / LOG_FILE, _checkpoints(folders.model(job.version or 0))
        in_vain, error = 0, None
        while not step.result.exists() and error is None:
            before = _newest(checkpoints)
            child = self._find(job, step)
            if child is None:
                self._wait_for_stranger(job, checkpoints)
                child = self._start(job, step, log)
            self._wait(job, child)
            error = None if is_locked(checkpoints / LOCK) else last_error(log)
            in_vain = 0 if _newest(checkpoints) != before else in_vain + 1
            if in_vain >= MOST_STARTS:
                error = f"it ended {MOST_STARTS} times without getting on: is there enough memory?"
        if error is None or step.result.exists():
            return
        if step.is_needed:
            raise TwinspectError(error)
        LOG.warning("%s: job %d: %s: %s", job.product, job.id, step.name, error)

    def _wait_for_stranger(self, job: JobRow, checkpoints: Path) -> None:
        """Wait for a training of this job that nobody knows: its server was killed before it could note it.

        Raises:
            _InterruptedError: the job was paused or cancelled, or the server ends.
        """
        while is_locked(checkpoints / LOCK):
            self._heed(job)
            if self._stopping.wait(POLL):
                raise _InterruptedError

    def _find(self, job: JobRow, step: Step) -> ChildProcess | None:
        """Find the child that an earlier server started for this step."""
        record = self._jobs.get(job.id).process or {}
        child = ChildProcess.from_record(record.get("child")) if record.get("step") == step.name else None
        return child if child and child.is_running() else None

    def _start(self, job: JobRow, step: Step, log: Path) -> ChildProcess:
        log.parent.mkdir(parents=True, exist_ok=True)
        spent = _spent(self._jobs.get(job.id))
        child = ChildProcess.start(step.arguments, log, log.with_name(PROGRESS))
        record = {"step": step.name, "child": child.to_record(), "since": time.time(), "spent": spent}
        self._jobs.change(job.id, process=record)
        return child

    def _wait(self, job: JobRow, child: ChildProcess) -> None:
        """Wait until the child has ended.

        Raises:
            _InterruptedError: the job was paused or cancelled, or the server ends.
        """
        while child.is_running():
            asked = self._jobs.get(job.id).asked
            if asked != "run":
                _stop(child)
                break
            if self._stopping.wait(POLL):
                raise _InterruptedError
        self._heed(job)

    def _heed(self, job: JobRow) -> None:
        """Pause or cancel a job that is asked to."""
        asked = self._jobs.get(job.id).asked
        if asked == "pause":
            spent = _spent(self._jobs.get(job.id))
            self._jobs.change(job.id, state="paused", process={"spent": spent})
            raise _InterruptedError
        if asked == "cancel":
            self._jobs.change(job.id, state="cancelled", ended_at=self._store.now(), process=None)
            self.clear(job)
            raise _InterruptedError

    def _write_test_data(self, job: JobRow, folders: ProductFolders) -> None:
        """Lay out what nobody learnt from: good photos that were held out, and all defects."""
        data = folders.job(job.id)
        test = data / TEST / "test"
        shutil.rmtree(test, ignore_errors=True)
        record = read_model_record(folders.model(job.version or 0))
        held_out = held_out_photos(Calibration.from_record(record["calibration"]))
        good = [path for path in _good_files(data) if photo_id(path.name) in held_out]
        for label, paths in (("good", good), ("defect", list((data / DEFECTS).iterdir()))):
            (test / label).mkdir(parents=True)
            for path in paths:
                shutil.copyfile(path, test / label / path.name)
        self._write_masks(job, data / TEST / "ground_truth" / "defect", list((data / DEFECTS).iterdir()))

    def _write_masks(self, job: JobRow, folder: Path, defects: list[Path]) -> None:
        """Write where people saw defects, for those that they drew."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        photos = {photo.id: photo for photo in self._products.photos(job.product_id, "defect")}
        for path in defects:
            photo = photos.get(photo_id(path.name) or 0)
            region = photo and self._drawn(photo)
            if photo and region:
                mask = region_of_polygons(region, path.name).at(photo.image.height, photo.image.width)
                write_atomically(folder / f"{path.stem}_mask.png", encode_png(mask.astype(np.uint8) * 255))

    def _drawn(self, photo: PhotoRow) -> dict[str, Any] | None:
        """Return where a person saw the defect that a photo shows, if it was inspected and somebody drew that."""
        if photo.inspection_id is None:
            return None
        feedback = self._store.inspection(photo.inspection_id).feedback
        return feedback.region if feedback and feedback.verdict == "defect" else None

    def _add_version(self, job: JobRow, folders: ProductFolders) -> VersionRow:
        number = job.version or 0
        figures = figures_of(folders.model(number))
        used = (photo_id(path.name) or 0 for path in _good_files(folders.job(job.id)))
        figures["newest_photo"] = max(used, default=0)
        row = {
            "product_id": job.product_id,
            "number": number,
            "kind": job.kind,
            "parent": job.parent,
            "job_id": job.id,
            "weights_sha256": figures.pop("weights_sha256"),
            "figures": figures,
        }
        return self._products.add_version(row, job.created_by)

    def _fail(self, job: JobRow, error: str) -> None:
        LOG.warning("%s: job %d failed: %s", job.product, job.id, error)
        error = error.replace(f"{self._data}{os.sep}", "")  # where the server's files are is not for everyone
        self._jobs.change(job.id, state="failed", ended_at=self._store.now(), process=None, error=error)
        self.clear(job)

    def clear(self, job: JobRow) -> None:
        """Remove what a job that did not end well has left."""
        folders = ProductFolders.of(self._data, job.product)
        model = folders.model(job.version or 0)
        shutil.rmtree(folders.job(job.id), ignore_errors=True)
        if job.kind != "export" and not is_model(model):
            shutil.rmtree(_checkpoints(model), ignore_errors=True)


def _good_files(data: Path) -> list[Path]:
    return [path for part in (GOOD, FALSE_ALARMS) for path in (data / part).iterdir()]


def _checkpoints(model: Path) -> Path:
    """Name the folder in which `fit` and `update` keep what they resume from."""
    return model.with_name(model.name + ".checkpoint")


def _newest(folder: Path) -> float:
    """Return when a file of a folder was last written, in seconds; 0 where there is none."""
    with suppress(OSError):
        return max((path.stat().st_mtime for path in folder.rglob("*")), default=0.0)
    return 0.0


def _stop(child: ChildProcess) -> None:
    """Ask a child to end, and wait for that; one that does not is killed."""
    child.stop()
    end = time.monotonic() + PATIENCE
    while child.is_running():
        if time.monotonic() > end:
            child.kill()
        time.sleep(POLL)


def _spent(job: JobRow) -> float:
    """Return the seconds that a job has run, without its pauses."""
    process = job.process or {}
    since = process.get("since")
    return float(process.get("spent", 0)) + (0.0 if since is None else max(0.0, time.time() - float(since)))


_WORDS: Final = {
    "score good images": "sets the threshold by good photos that it has not seen",
    "would find": "tries which synthetic defects it finds",
    "compare the images with each other": "looks for photos unlike the others",
}
"""Stages of a training in plain words; of others, people need to know only that it learns."""


def _in_words(step: str, stage: str) -> str:
    return _WORDS.get(stage, step or "starts")


def _read_progress(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        told = json.loads(path.read_bytes())
        return told if isinstance(told, dict) else {}
    return {}


AFTER_BUDGET: Final = 1.2
"""A training takes its minutes, then some of them to try synthetic defects and to write the report."""


def _of_budget(stage: str, budget: float, passed: float) -> JobProgress:
    whole = AFTER_BUDGET * budget + 15
    share = min(0.99, passed / whole)
    left = whole - passed
    return JobProgress(stage, round(share, 3), round(left, 1) if left > 0 else None)
