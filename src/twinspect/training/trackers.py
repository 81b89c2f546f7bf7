"""Experiment trackers that a run can be told to: MLflow, TensorBoard, Weights & Biases."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from twinspect.errors import optional

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROJECT: Final = "twinspect"
"""The experiment or project where the tracker's own environment variables name none."""
LONGEST: Final = 500
"""Letters of a parameter that every MLflow server takes."""
MOST_AT_ONCE: Final = 1000
"""Metrics that an MLflow server takes in one call."""


class Point(NamedTuple):
    """A number at a step.

    Attributes:
        name: such as ``loss/distil``.
        value: finite.
        step: from 1 on.
        seconds: since 1970.
    """

    name: str
    value: float
    step: int
    seconds: float


class Tracker(ABC):
    """One tracker. Its package is imported where it is made, and nothing is sent before :meth:`begin`.

    Args:
        destination: where runs go; empty for what the tracker's environment variables say.
        name: of the run.
        run: the identity of a run to go on with; empty for a new one.

    Attributes:
        extra: of twinspect, which installs its package.
    """

    extra: ClassVar[str]

    def __init__(self, destination: str, name: str, run: str = "") -> None:
        self.destination, self.name, self.run = destination, name, run
        self.load()

    @abstractmethod
    def load(self) -> None:
        """Import its package.

        Raises:
            MissingExtraError: it is not installed.
        """

    @abstractmethod
    def begin(self) -> None:
        """Begin the run, or go on with it, and set :attr:`run`."""

    @abstractmethod
    def parameters(self, values: Mapping[str, str]) -> None:
        """Keep what the run was made with."""

    @abstractmethod
    def points(self, points: Sequence[Point]) -> None:
        """Add to the curves."""

    @abstractmethod
    def metrics(self, values: Mapping[str, float]) -> None:
        """Keep results."""

    @abstractmethod
    def text(self, name: str, text: str) -> None:
        """Keep a text."""

    @abstractmethod
    def artefact(self, path: Path) -> None:
        """Keep a file."""

    @abstractmethod
    def end(self, status: str) -> None:
        """End the run: ``finished``, ``failed`` or ``killed``."""


class MLflow(Tracker):
    """A run of an MLflow server or database; of the user's own, where one is active."""

    extra = "trackers"

    def load(self) -> None:
        """Import mlflow."""
        mlflow = optional("mlflow", self.extra)
        active = mlflow.active_run()
        self._client, self._metric = mlflow.tracking.MlflowClient, mlflow.entities.Metric
        self._is_ours = active is None
        self.run = self.run if active is None else active.info.run_id

    def begin(self) -> None:
        """Begin the run."""
        self._client = self._client(tracking_uri=self.destination or None)
        if not self.run:
            self.run = self._client.create_run(self._experiment(), run_name=self.name).info.run_id
        elif self._is_ours:
            self._client.update_run(self.run, status="RUNNING")

    def _experiment(self) -> str:
        if identity := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return identity
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def parameters(self, values: Mapping[str, str]) -> None:
        """Keep them as parameters; those that a run has already stay."""
        kept = self._client.get_run(self.run).data.params
        for name, value in values.items():
            if name not in kept:
                self._client.log_param(self.run, name, value[:LONGEST])

    def points(self, points: Sequence[Point]) -> None:
        """Add them as metrics."""
        for first in range(0, len(points), MOST_AT_ONCE):
            metrics = [
                self._metric(point.name, point.value, int(1000 * point.seconds), point.step)
                for point in points[first : first + MOST_AT_ONCE]
            ]
            self._client.log_batch(self.run, metrics=metrics)

    def metrics(self, values: Mapping[str, float]) -> None:
        """Keep them as metrics."""
        self.points([Point(name, value, 0, time.time()) for name, value in values.items()])

    def text(self, name: str, text: str) -> None:
        """Keep it as a tag, which the table of runs shows."""
        self._client.set_tag(self.run, f"{PROJECT}.{name}", text)

    def artefact(self, path: Path) -> None:
        """Upload it."""
        self._client.log_artifact(self.run, str(path))

    def end(self, status: str) -> None:
        """End the run, unless it is the user's own."""
        if self._is_ours:
            self._client.set_terminated(self.run, status=status.upper())


class TensorBoard(Tracker):
    """Event files in a folder for each run."""

    extra = "trackers"

    def load(self) -> None:
        """Import TensorBoard's writer."""
        optional("tensorboard", self.extra)
        self._writer: Any = optional("torch.utils.tensorboard", self.extra).SummaryWriter

    def begin(self) -> None:
        """Make the folder: that of the run, or one of its name and the time."""
        if not self.run:
            folder = Path(self.destination or "runs")
            self.run = str(folder / f"{self.name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        self._writer = self._writer(self.run)

    def parameters(self, values: Mapping[str, str]) -> None:
        """Keep them as a table in Markdown."""
        rows = "\n".join(f"| {name} | {value.replace('|', '&#124;')} |" for name, value in values.items())
        self.text("parameters", f"| parameter | value |\n|---|---|\n{rows}")

    def points(self, points: Sequence[Point]) -> None:
        """Add them as scalars."""
        for point in points:
            self._writer.add_scalar(point.name, point.value, point.step, walltime=point.seconds)
        self._writer.flush()

    def metrics(self, values: Mapping[str, float]) -> None:
        """Keep them as scalars at step 0."""
        self.points([Point(name, value, 0, time.time()) for name, value in values.items()])

    def text(self, name: str, text: str) -> None:
        """Keep it as text."""
        self._writer.add_text(name, text)

    def artefact(self, path: Path) -> None:
        """Say where it is: event files hold none."""
        self.text(path.name, str(path.resolve()))

    def end(self, status: str) -> None:
        """Close the file."""
        self.text("status", status)
        self._writer.close()


class WandB(Tracker):
    """A run of Weights & Biases; of the user's own, where one is active."""

    extra = "wandb"

    def load(self) -> None:
        """Import wandb."""
        self._wandb = optional("wandb", self.extra)
        self._active: Any = self._wandb.run

    def begin(self) -> None:
        """Begin the run."""
        self._run = self._active or self._wandb.init(
            project=self.destination or os.environ.get("WANDB_PROJECT", PROJECT),
            name=self.name,
            id=self.run or None,
            resume="allow",
        )
        self.run = self._run.id

    def parameters(self, values: Mapping[str, str]) -> None:
        """Keep them as its configuration."""
        self._run.config.update(dict(values), allow_val_change=True)

    def points(self, points: Sequence[Point]) -> None:
        """Log them, each with the step of its own stage: a step of wandb only ever grows."""
        for point in points:
            self._run.log({point.name: point.value, f"step/{point.name.rpartition('/')[2]}": point.step})

    def metrics(self, values: Mapping[str, float]) -> None:
        """Keep them in its summary."""
        self._run.summary.update(dict(values))

    def text(self, name: str, text: str) -> None:
        """Keep it in its summary."""
        self._run.summary.update({name: text})

    def artefact(self, path: Path) -> None:
        """Upload it."""
        self._run.log_artifact(str(path), name=path.name)

    def end(self, status: str) -> None:
        """End the run, unless it is the user's own."""
        if self._active is None:
            self._run.finish(exit_code=int(status != "finished"))


TRACKERS: Final[dict[str, type[Tracker]]] = {"mlflow": MLflow, "tensorboard": TensorBoard, "wandb": WandB}
