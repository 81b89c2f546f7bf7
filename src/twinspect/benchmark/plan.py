"""The plan of a benchmark: every run that a command asks for, and what tells one run from another."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twinspect.benchmark.protocols import Choice, Protocol, ProtocolTask, tasks
from twinspect.benchmark.schema import FORMAT
from twinspect.benchmark.trial import identity, training_images
from twinspect.data.fingerprint import fingerprint
from twinspect.data.samples import Sample
from twinspect.evaluation.labelled_set import open_test_set

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twinspect.data.samples import DataSet
    from twinspect.detector import Detector


@dataclass(frozen=True)
class Run:
    """One method with one seed on one task.

    Attributes:
        what: all that decides its numbers, as plain JSON values.
        detector: how it is fitted; unfitted.
        read: lists the images of the task.
    """

    what: dict[str, Any]
    detector: Detector
    read: Callable[[], DataSet]

    @property
    def key(self) -> str:
        """The sha256 of what decides its numbers."""
        return hashlib.sha256(json.dumps(self.what, sort_keys=True).encode()).hexdigest()

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return f"{self.what['task']}, {self.what['method']}, seed {self.what['seed']}"


def make_plan(
    protocol: Protocol,
    folder: str,
    choice: Choice,
    detectors: Sequence[Detector],
    tell: Callable[[str], None] | None = None,
) -> list[Run]:
    """List every run, the first seed's first, so that a table of one seed is whole early.

    All settings, teachers and images are looked at now, so that a mistake is found before hours of work.

    Args:
        protocol: how the folder becomes tasks.
        folder: the data.
        choice: which classes, and how many images of them.
        detectors: unfitted, one for each method and seed.
        tell: is told which of several sets are there, and which are not.

    Raises:
        TwinspectError: wrong settings, a teacher that cannot be had, a folder that the protocol does not take.
    """
    divided = tasks(protocol, folder, choice, tell)
    known = [(detector, identity(detector)) for detector in detectors]
    limits = {"most_train": choice.most_train, "most_test": choice.most_test}
    runs = []
    for task in divided:
        about = {
            "format": FORMAT,
            "protocol": protocol.name,
            "task": task.name,
            **limits,
            "data": _data(task),
        }
        runs += [Run({**about, **what}, detector, task.read) for detector, what in known]
    return sorted(runs, key=lambda run: run.detector.seed)


def _data(task: ProtocolTask) -> str:
    data = task.read()
    return data_key([*training_images(data), *open_test_set(data)])


def data_key(used: Sequence[Sample]) -> str:
    """Hash the images that a run learns from and tests, their masks with any rules, and what each is said to be.

    Returns:
        64 hexadecimal digits, whatever the order of the images.

    Raises:
        ImageError: a file cannot be read.
    """
    masks = [Sample(path, f"{sample.name}: {path.name}") for sample in used for path in sample.masks]
    masks += [Sample(path, path.as_posix()) for path in sorted({s.rules for s in used if s.rules})]
    roles = sorted(
        (s.name, s.split, s.label, s.category, len(s.masks), *filter(None, [s.group])) for s in used
    )
    whole = json.dumps([fingerprint(used), fingerprint(masks), roles])
    return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()


def checkpoints(out: Path, key: str) -> Path:
    """Say where a run's training keeps its checkpoint."""
    return out / "checkpoints" / key
