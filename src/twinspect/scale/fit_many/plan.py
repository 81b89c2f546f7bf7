"""The plan of many fits: what each model is fitted on and how, checked before anything is trained."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from twinspect.benchmark.plan import Run, checkpoint_folder, data_key
from twinspect.benchmark.run_database import FORMAT
from twinspect.errors import TwinspectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from twinspect.data.samples import DataSet
    from twinspect.detector import Detector

PROTOCOL: Final = "fit-many"
"""The protocol of these runs in the store; the task is the model's name."""
SUFFIX: Final = ".twin"


@dataclass(frozen=True)
class FitRequest:
    """A model to fit, as it was requested.

    Attributes:
        where: file and row, for messages.
        name: name of the model.
        detector: the unfitted detector.
        read: lists its images.
        cpus: processors for the fit; also the number of its threads.
        gpus: GPUs for the fit.
    """

    where: str
    name: str
    detector: Detector
    read: Callable[[], DataSet]
    cpus: int
    gpus: float


@dataclass(frozen=True)
class FitJob:
    """A model to fit, with all that a process on another machine needs.

    Attributes:
        run: its run in the store.
        model: the folder to write; absolute.
        checkpoints: the folder of its training checkpoints; absolute.
        cpus: processors, and threads.
        gpus: GPUs, or a fraction of one.
    """

    run: Run
    model: Path
    checkpoints: Path
    cpus: int
    gpus: float

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.run.identity["task"])


class IdentityFunction(Protocol):
    """Describes what decides a detector's numbers on the machine that will fit it."""

    def __call__(self, detector: Detector, gpus: float) -> dict[str, Any]:
        """Describe it."""


def plan_fits(requests: Sequence[FitRequest], out: Path, identify: IdentityFunction) -> list[FitJob]:
    """Check all settings, teachers and images, so that a mistake is found before hours of work.

    Args:
        requests: the models to fit.
        out: the folder to write them to.
        identify: called once for each set of settings.

    Raises:
        TwinspectError: wrong settings, an unavailable teacher, missing or too few images; the message begins with the
            row.
    """
    known: dict[str, dict[str, Any]] = {}
    jobs = []
    for request in requests:
        with _naming_row(request.where):
            settings = json.dumps([request.detector.get_params(), request.gpus], sort_keys=True, default=str)
            if settings not in known:
                known[settings] = identify(request.detector, request.gpus)
            jobs.append(_job(request, out.absolute(), known[settings]))
    return jobs


def _job(request: FitRequest, out: Path, identity: dict[str, Any]) -> FitJob:
    detector, data = request.detector, request.read()
    train, held_out = detector.split(data)
    what = {
        "format": FORMAT,
        "protocol": PROTOCOL,
        "task": request.name,
        "most_train": None,
        "most_test": None,
        "data": data_key([*train, *held_out, *data.split("test")]),
        **identity,
        "calibration": "split" if held_out else "cv",
        **{name: getattr(detector, name) for name in ("false_alarm_rate", "bits", "keep_images")},
    }
    run = Run(what, detector, request.read)
    return FitJob(
        run, out / f"{request.name}{SUFFIX}", checkpoint_folder(out, run.key), request.cpus, request.gpus
    )


@contextmanager
def _naming_row(where: str) -> Iterator[None]:
    try:
        yield
    except TwinspectError as error:
        raise type(error)(f"{where}: {error}") from error
