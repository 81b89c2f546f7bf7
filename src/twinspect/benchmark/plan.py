"""The plan of a benchmark: every run that a command asks for, and the key that identifies it."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twinspect.benchmark.partial_copies import partial_copies
from twinspect.benchmark.protocols import ClassSelection, Protocol, ProtocolTask, tasks
from twinspect.benchmark.run_database import FORMAT
from twinspect.benchmark.trial import detector_identity, training_images
from twinspect.data.fingerprint import fingerprint
from twinspect.data.samples import Sample
from twinspect.errors import PartialCopyWarning
from twinspect.evaluation.labelled_set import open_test_set

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twinspect.benchmark.trial import Keep
    from twinspect.data.samples import DataSet
    from twinspect.detector import Detector


@dataclass(frozen=True)
class Run:
    """One method with one seed on one task.

    Attributes:
        identity: all that decides its numbers, as plain JSON values.
        detector: unfitted, with the settings of the run.
        read: lists the images of the task.
        keep: keeps more of the fitted detector than numbers; see :func:`twinspect.benchmark.trial.run_trial`.
    """

    identity: dict[str, Any]
    detector: Detector
    read: Callable[[], DataSet]
    keep: Keep | None = None

    @property
    def key(self) -> str:
        """The sha256 of what decides its numbers."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    @property
    def title(self) -> str:
        """Task, method and seed, for people."""
        return f"{self.identity['task']}, {self.identity['method']}, seed {self.identity['seed']}"


def make_plan(
    protocol: Protocol,
    folder: str,
    selection: ClassSelection,
    detectors: Sequence[Detector],
    notify: Callable[[str], None] | None = None,
) -> list[Run]:
    """List every run, those of the first seed first, so that a table of one seed is complete early.

    All settings, teachers and images are checked now, so that a mistake is found before hours of work.

    Args:
        protocol: how the folder becomes tasks.
        folder: the data.
        selection: which classes, and how many images of them.
        detectors: unfitted, one for each method and seed.
        notify: called with which of several sets are there and which are not, and with what a copy lacks.

    Raises:
        TwinspectError: wrong settings, a teacher that cannot be had, a folder that the protocol does not take.
    """
    with partial_copies() as partial:
        protocol_tasks = tasks(protocol, folder, selection, notify)
    for text in partial:
        (notify or _warn)(text)
    identities = [(detector, detector_identity(detector)) for detector in detectors]
    runs = runs_of(protocol.name, protocol_tasks, selection, identities)
    return sorted(runs, key=lambda run: run.detector.seed)


def _warn(text: str) -> None:
    warnings.warn(text, PartialCopyWarning, stacklevel=3)


def runs_of(
    protocol: str,
    protocol_tasks: Sequence[ProtocolTask],
    selection: ClassSelection,
    identities: Sequence[tuple[Detector, dict[str, Any]]],
) -> list[Run]:
    """List the runs of detectors on tasks, task by task.

    Args:
        protocol: its name.
        protocol_tasks: its tasks.
        selection: how many images of each class they have.
        identities: detectors, each with what decides its numbers besides the images.

    Raises:
        TwinspectError: a task has nothing to train on or to test, or a file of it cannot be read.
    """
    runs = []
    for task in protocol_tasks:
        task_identity = {
            "format": FORMAT,
            "protocol": protocol,
            "task": task.name,
            "most_train": selection.most_train,
            "most_test": selection.most_test,
            "data": _task_data_key(task),
        }
        runs += [Run(task_identity | own, detector, task.read) for detector, own in identities]
    return runs


def _task_data_key(task: ProtocolTask) -> str:
    data = task.read()
    return data_key([*training_images(data), *open_test_set(data)])


def data_key(samples: Sequence[Sample]) -> str:
    """Hash the images that a run learns from and tests, their masks with any rules, and their labels.

    Returns:
        64 hexadecimal digits, whatever the order of the images.

    Raises:
        ImageError: a file cannot be read.
    """
    masks = [Sample(path, f"{sample.name}: {path.name}") for sample in samples for path in sample.masks]
    masks += [Sample(path, path.as_posix()) for path in sorted({s.rules for s in samples if s.rules})]
    roles = sorted(
        (s.name, s.split, s.label, s.category, len(s.masks), *filter(None, [s.group])) for s in samples
    )
    whole = json.dumps([fingerprint(samples), fingerprint(masks), roles])
    return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()


def checkpoint_folder(out: Path, key: str) -> Path:
    """Return where a run's training keeps its checkpoint."""
    return out / "checkpoints" / key
