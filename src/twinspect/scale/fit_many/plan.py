"""The plan of many models: what each is fitted on and how, checked before anything is trained."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from twinspect.benchmark.plan import Run, checkpoint_folder, data_key
from twinspect.benchmark.schema import FORMAT
from twinspect.errors import TwinspectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from twinspect.data.samples import DataSet
    from twinspect.detector import Detector

PROTOCOL: Final = "fit-many"
"""What the store of runs calls the protocol of these; a task is a model's name."""
SUFFIX: Final = ".twin"


@dataclass(frozen=True)
class Order:
    """A model that is wanted.

    Attributes:
        where: file and row, for messages.
        name: of the model.
        detector: how it is fitted; unfitted.
        read: lists its images.
        cpus: processors that the fit takes, which is also the number of its threads.
        gpus: GPUs that it takes.
    """

    where: str
    name: str
    detector: Detector
    read: Callable[[], DataSet]
    cpus: int
    gpus: float


@dataclass(frozen=True)
class FitJob:
    """A model to be made, with all that a process on another machine needs.

    Attributes:
        run: what it is, for the store of runs.
        model: the folder to write; absolute.
        checkpoints: where its training keeps its checkpoints; absolute.
        cpus: processors, and threads.
        gpus: GPUs, or a part of one.
    """

    run: Run
    model: Path
    checkpoints: Path
    cpus: int
    gpus: float

    @property
    def name(self) -> str:
        """The model's."""
        return str(self.run.identity["task"])


class Identify(Protocol):
    """Says what decides a detector's numbers, where it will be fitted; see :func:`.trial.detector_identity`."""

    def __call__(self, detector: Detector, gpus: float) -> dict[str, Any]:
        """Say it."""


def make_plan(orders: Sequence[Order], out: Path, identify: Identify) -> list[FitJob]:
    """Look at all settings, teachers and images, so that a mistake is found before hours of work.

    Args:
        orders: the models that are wanted.
        out: where they go.
        identify: asked once for each set of settings.

    Raises:
        TwinspectError: wrong settings, a teacher that cannot be had, data that are not there or too few; the message
            begins with the row.
    """
    known: dict[str, dict[str, Any]] = {}
    jobs = []
    for order in orders:
        with _naming(order.where):
            settings = json.dumps([order.detector.get_params(), order.gpus], sort_keys=True, default=str)
            if settings not in known:
                known[settings] = identify(order.detector, order.gpus)
            jobs.append(_job(order, out.absolute(), known[settings]))
    return jobs


def _job(order: Order, out: Path, identity: dict[str, Any]) -> FitJob:
    detector, data = order.detector, order.read()
    train, held = detector.split(data)
    what = {
        "format": FORMAT,
        "protocol": PROTOCOL,
        "task": order.name,
        "most_train": None,
        "most_test": None,
        "data": data_key([*train, *held, *data.split("test")]),
        **identity,
        **{
            name: getattr(detector, name)
            for name in ("false_alarm_rate", "calibration", "bits", "keep_images")
        },
    }
    run = Run(what, detector, order.read)
    return FitJob(run, out / f"{order.name}{SUFFIX}", checkpoint_folder(out, run.key), order.cpus, order.gpus)


@contextmanager
def _naming(where: str) -> Iterator[None]:
    try:
        yield
    except TwinspectError as error:
        raise type(error)(f"{where}: {error}") from error
