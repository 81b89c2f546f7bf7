"""Telling experiment trackers of a run, from threads of their own: work neither waits for them nor fails with them.

What a training does, and hence its weights, is the same with and without: only losses and counts are read.
"""

from __future__ import annotations

import math
import platform
import queue
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twinspect._version import __version__
from twinspect.errors import ConfigError, in_one_line, unknown_name
from twinspect.training.trackers import TRACKERS, Point
from twinspect.utils.launch_environment import is_secondary_process
from twinspect.utils.progress import NoProgress, announce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from twinspect.inference.base_detector import BaseDetector
    from twinspect.training.trackers import Tracker
    from twinspect.utils.progress import Progress

BETWEEN: Final = 1.0
"""Seconds of a training whose losses are sent together."""
LAST: Final = 30.0
"""Seconds that the end of a run waits for what was not sent yet."""
WHEN_KILLED: Final = 3.0
"""The same where somebody waits for it to stop."""
SUFFIX: Final = ".run"
"""Of the files beside checkpoints that hold the identity of the run to go on with."""


class RunLog:
    """A run that trackers are told of; in a ``with`` block, at whose end it ends.

    A tracker that fails is named once, and told nothing more.

    Args:
        trackers: by name.
        say: called with a sentence for each that fails.
        folder: of checkpoints, where the identities of runs are kept until they finish; ``None`` for nowhere.
    """

    def __init__(
        self, trackers: Mapping[str, Tracker], say: Callable[[str], None], folder: Path | None = None
    ) -> None:
        self._threads = [_Thread(name, tracker, folder) for name, tracker in trackers.items()]
        self._say, self._has_begun = say, False
        self._watched: _LoggedProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        killed = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.end("finished" if kind is None else "killed" if killed else "failed")

    def watch(self, progress: Progress | None, batch_size: int, given: Mapping[str, Any]) -> Progress:
        """Log the losses that a progress is told of, from the first stage on, with which the run begins.

        Args:
            progress: told of everything as before; ``None`` if nobody is.
            batch_size: images a step.
            given: parameters of the run.
        """
        self._watched = _LoggedProgress(progress or NoProgress(), self, batch_size, given)
        return self._watched

    def begin(self, parameters: Mapping[str, Any]) -> None:
        """Begin the run, unless it has begun."""
        if not self._has_begun:
            self._has_begun = True
            for thread in self._threads:
                thread.start()
            versions = {"twinspect": __version__, "python": platform.python_version()}
            self.parameters({**versions, **parameters})

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Keep what the run was made with; values that are ``None`` are left out."""
        texts = {name: str(value) for name, value in values.items() if value is not None}
        self._tell(lambda tracker: tracker.parameters(texts))

    def points(self, points: list[Point]) -> None:
        """Add to the curves."""
        self._tell(lambda tracker: tracker.points(points))

    def metrics(self, values: Mapping[str, float | None]) -> None:
        """Keep results; those that are not defined are left out."""
        defined = {name: float(value) for name, value in values.items() if value is not None}
        finite = {name: value for name, value in defined.items() if math.isfinite(value)}
        self._tell(lambda tracker: tracker.metrics(finite))

    def text(self, name: str, text: str) -> None:
        """Keep a text."""
        self._tell(lambda tracker: tracker.text(name, text))

    def artefact(self, path: Path) -> None:
        """Keep a file."""
        self._tell(lambda tracker: tracker.artefact(path))

    def fitted(self, detector: BaseDetector) -> None:
        """Keep what a fit has led to: teacher and settings as they are, the threshold, and what it promises."""
        about, calibration = detector.about(), detector.calibration_
        teacher = {f"teacher.{name}": value for name, value in about["teacher"].items()}
        config = {f"config.{name}": value for name, value in about["config"].items()}
        self.parameters({**teacher, **config, "data.fingerprint": detector.data_["fingerprint"]})
        self.metrics(
            {
                "threshold": calibration.threshold,
                "false_alarm_rate_promised": calibration.false_alarm_rate,
                "images/train": detector.data_.get("train"),
                "images/calibration": len(calibration.scores),
            }
        )
        self.text("promise", calibration.promise())

    def finds(self, detector: BaseDetector) -> None:
        """Keep from which size on a model finds nine of ten synthetic defects of each kind."""
        if found := detector.detectability_:
            findings = found.findings(detector.calibration_)
            self.metrics({f"would_find/{finding.plural}": finding.size for finding in findings})
            self.text("would_find", found.in_words(detector.calibration_))

    def end(self, status: str) -> None:
        """End the run, and wait a little for what was not sent yet: ``finished``, ``failed`` or ``killed``."""
        if not self._has_begun:
            return
        if self._watched:
            self._watched.send()
        seconds = WHEN_KILLED if status == "killed" else LAST
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.stop(status)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self._say(f"{thread.name}: not all of the run was sent within {seconds:.0f} s")
        self._name_failures()

    def _tell(self, call: Callable[[Tracker], None]) -> None:
        for thread in self._threads:
            if not thread.failure:
                thread.calls.put(call)
        self._name_failures()

    def _name_failures(self) -> None:
        for thread in self._threads:
            if thread.failure and not thread.is_named:
                thread.is_named = True
                self._say(f"{thread.name} failed, and the run goes on without it: {thread.failure}")


@contextmanager
def logged(
    log: str | RunLog | None,
    name: str,
    folder: str | Path | None = None,
    *,
    resume: bool = False,
    say: Callable[[str], None],
) -> Iterator[RunLog | None]:
    """Open a run for a block; one that is open already stays so, and nobody is told where there is none.

    Args:
        log: trackers, see :func:`open_run`; or a run; or ``None``.
        name: of the run.
        folder: of checkpoints.
        resume: go on with the run whose identity is kept there.
        say: called with a sentence for each tracker that fails.

    Raises:
        ConfigError: there is no such tracker.
        MissingExtraError: its package is not installed.
    """
    if log is None or isinstance(log, RunLog):
        yield log
    elif is_secondary_process():
        yield None
    else:
        with open_run(log, name, folder, resume=resume, say=say) as run:
            yield run


def open_run(
    log: str, name: str, folder: str | Path | None = None, *, resume: bool = False, say: Callable[[str], None]
) -> RunLog:
    """Open a run of trackers.

    Args:
        log: their names between commas: ``mlflow``, ``tensorboard``, ``wandb``. A destination may follow each after a
            colon, ``mlflow:URI``, ``tensorboard:FOLDER``, ``wandb:PROJECT``; else their environment variables say it.
        name: as for :func:`logged`; so are the others.
        folder: of checkpoints.
        resume: go on with the run whose identity is kept there.
        say: called with a sentence for each tracker that fails.

    Raises:
        ConfigError: there is no such tracker.
        MissingExtraError: its package is not installed.
    """
    place = Path(folder) if folder else None
    trackers: dict[str, Tracker] = {}
    for text in filter(None, map(str.strip, log.split(","))):
        kind, _, destination = text.partition(":")
        if kind not in TRACKERS:
            raise unknown_name("tracker", kind, TRACKERS)
        announce(f"loading {kind}")
        trackers[kind] = TRACKERS[kind](destination, name, _kept(place, kind) if resume else "")
    if not trackers:
        raise ConfigError(f"log={log!r} names no tracker; allowed are {', '.join(TRACKERS)}")
    return RunLog(trackers, say, place)


def _kept(folder: Path | None, kind: str) -> str:
    """Read the identity of the run to go on with; empty without one."""
    path = folder / f"{kind}{SUFFIX}" if folder else None
    return path.read_text(encoding="utf-8") if path and path.is_file() else ""


class _Thread(threading.Thread):
    """Tells one tracker what it is given, in order; after a failure nothing more."""

    def __init__(self, name: str, tracker: Tracker, folder: Path | None) -> None:
        super().__init__(name=name, daemon=True)
        self.calls: queue.SimpleQueue[Callable[[Tracker], None] | None] = queue.SimpleQueue()
        self.failure, self.is_named = "", False
        self._tracker, self._status = tracker, ""
        self._kept = folder / f"{name}{SUFFIX}" if folder else None

    def run(self) -> None:
        """Begin the run, and pass on what comes."""
        try:
            self._tracker.begin()
            if self._kept:
                self._kept.parent.mkdir(parents=True, exist_ok=True)
                self._kept.write_text(self._tracker.run, encoding="utf-8")
            while call := self.calls.get():
                call(self._tracker)
        except Exception as error:  # noqa: BLE001 - a tracker fails in any way, and training is worth more
            self.failure = in_one_line(error) or type(error).__name__

        finally:
            self._forget()

    def stop(self, status: str) -> None:
        """Let it end the run."""
        self._status = status
        self.calls.put(lambda tracker: tracker.end(status))
        self.calls.put(None)

    def _forget(self) -> None:
        """Keep the identity of the run only where an interrupted training can be resumed."""
        kept = self._kept
        if kept and (self._status == "finished" or not any(kept.parent.glob("*.safetensors"))):
            with suppress(OSError):
                kept.unlink(missing_ok=True)


class _LoggedProgress:
    """Progress that passes everything on, and logs losses by stage and step, and images a second."""

    def __init__(self, progress: Progress, run: RunLog, batch_size: int, given: Mapping[str, Any]) -> None:
        self._progress, self._run, self._batch_size, self._given = progress, run, batch_size, given
        self._times: dict[str, int] = {}
        self._stage, self._step, self._points = "", 0, list[Point]()
        self._sent = self._steps = 0.0

    def start(self, stage: str, total: int, done: int) -> None:
        """Begin a stage; one that comes again, in another fold, has a number."""
        self._progress.start(stage, total, done)
        self._run.begin(self._given)
        name = stage.partition(",")[0]  # "distil, seconds" is how a stage is called that is given time
        again = self._times[name] = self._times.get(name, 0) + 1
        self._stage, self._step = name if again == 1 else f"{name}-{again}", done
        self._sent, self._steps = time.monotonic(), 0

    def advance(self, loss: float | None = None, *, steps: int = 1) -> None:
        """Count steps; those with a loss are steps of training."""
        self._progress.advance(loss, steps=steps)
        if loss is None:
            return
        self._step, self._steps = self._step + 1, self._steps + 1
        self._points.append(Point(f"loss/{self._stage}", loss, self._step, time.time()))
        if time.monotonic() - self._sent >= BETWEEN:
            self.send()

    def finish(self) -> None:
        """End a stage."""
        self._progress.finish()
        self.send()

    def send(self) -> None:
        """Send what has come since the last time."""
        if not self._points:
            return
        now = time.monotonic()
        speed = self._batch_size * self._steps / max(now - self._sent, 1e-6)
        self._points.append(Point(f"images_per_second/{self._stage}", speed, self._step, time.time()))
        self._run.points(self._points)
        self._points, self._sent, self._steps = [], now, 0
