"""Where models are made: one after the other in this process, or side by side as tasks of Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from twinspect.benchmark.trial import detector_identity
from twinspect.errors import ConfigError
from twinspect.scale.fit_many.fit_one import Made, make
from twinspect.scale.ray_cluster import cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from twinspect.detector import Detector
    from twinspect.scale.fit_many.plan import FitJob
    from twinspect.utils.progress import Progress

    Claim = Callable[[], FitJob | None]
    """Gives the next job; ``None`` where none is left now."""

RETRIES: Final = 3
"""How often a model is taken up again whose process died."""
AHEAD: Final = 1.25
"""Jobs are handed out for so many times the processors there are, so that none of these waits, and a cluster that
grows by what is asked of it does grow."""
GOODBYE: Final = 15.0
"""Seconds that interrupted trainings have for their checkpoints."""


class FitEngine(Protocol):
    """Makes models."""

    def identify(self, detector: Detector, gpus: float) -> dict[str, Any]:
        """Say what decides a detector's numbers where it will be fitted."""

    def run(self, claim: Claim) -> Iterator[tuple[FitJob, Made]]:
        """Make what is claimed, and give what came of it as it comes."""


@dataclass(frozen=True)
class LocalFitEngine:
    """One model after the other, in this process.

    Attributes:
        progress: told about every step.
    """

    progress: Progress | None = None

    def identify(self, detector: Detector, gpus: float) -> dict[str, Any]:  # noqa: ARG002 - an engine's signature
        """Say it of this machine."""
        return detector_identity(detector)

    def run(self, claim: Claim) -> Iterator[tuple[FitJob, Made]]:
        """Make them in turn."""
        while (job := claim()) is not None:
            yield job, make(job, self.progress)


@dataclass(frozen=True)
class RayFitEngine:
    """A task of Ray for each model, with the processors and GPUs that it asks for.

    Attributes:
        address: of the cluster, ``auto``, or ``None`` for one of its own on this machine.
        cpus: that a cluster of its own should have at least.
    """

    address: str | None = None
    cpus: int = 1

    def identify(self, detector: Detector, gpus: float) -> dict[str, Any]:
        """Say it of this machine, or of one with GPUs if it is to be fitted there."""
        if not gpus or self.address is None:
            return detector_identity(detector)
        with cluster(self.address, cpus=self.cpus) as ray:
            found: dict[str, Any] = ray.get(
                ray.remote(detector_identity).options(num_gpus=gpus).remote(detector)
            )
            return found

    def run(self, claim: Claim) -> Iterator[tuple[FitJob, Made]]:
        """Make them side by side; whoever stops asking lets the trainings save where they stand."""
        first = claim()
        if first is None:
            return
        with cluster(self.address, cpus=self.cpus) as ray:
            flight = _Flight(ray)
            try:
                flight.begin(first)
                yield from _landing(flight, claim)
            finally:
                flight.cancel()


def _landing(flight: _Flight, claim: Claim) -> Iterator[tuple[FitJob, Made]]:
    while flight.jobs:
        while flight.has_room() and (job := claim()) is not None:
            flight.begin(job)
        yield flight.next()


class _Flight:
    """The tasks that Ray was given and that have not come back.

    Args:
        ray: connected.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._task = ray.remote(make)
        self.jobs: dict[Any, FitJob] = {}

    def has_room(self) -> bool:
        """Whether another job should be handed out."""
        return has_room(self.jobs.values(), self._ray.cluster_resources())

    def begin(self, job: FitJob) -> None:
        """Hand a job out.

        Raises:
            ConfigError: this machine has not the GPUs that it asks for.
        """
        there = self._ray.cluster_resources().get("GPU", 0)
        if job.gpus > there:
            raise ConfigError(
                f"{job.name}: {job.gpus:g} GPUs asked for, Ray has {there:g}; change it, or name a cluster: --address"
            )
        # A process whose name `ps` shows; and one that dies is taken up again, from its checkpoint.
        options = {
            "num_cpus": job.cpus,
            "num_gpus": job.gpus,
            "name": f"fit {job.name}",
            "max_retries": RETRIES,
        }
        self.jobs[self._task.options(**options).remote(job)] = job

    def next(self) -> tuple[FitJob, Made]:
        """Wait for a job that is over."""
        (over,), _ = self._ray.wait(list(self.jobs), num_returns=1)
        job = self.jobs.pop(over)
        try:
            return job, self._ray.get(over)
        except self._ray.exceptions.RayError as error:
            bug = getattr(error, "cause", None)
            died = f"its process died {RETRIES + 1} times: {error}"
            return job, Made(None, f"{type(bug).__name__}: {bug}" if bug else died)

    def cancel(self) -> None:
        """Interrupt what is not over, and wait a little for it to save where it stands."""
        left = list(self.jobs)
        for task in left:
            self._ray.cancel(task)
        if left:
            self._ray.wait(left, num_returns=len(left), timeout=GOODBYE)


def has_room(jobs: Collection[FitJob], there: dict[str, float]) -> bool:
    """Tell whether another job should be handed out: while the jobs that are out ask for less than ``AHEAD`` allows.

    Args:
        jobs: that are out.
        there: processors and GPUs of the cluster, as ``CPU`` and ``GPU``.
    """
    cpus, gpus = sum(job.cpus for job in jobs), sum(job.gpus for job in jobs)
    return cpus < AHEAD * there.get("CPU", 1) and (not gpus or gpus < AHEAD * there.get("GPU", 1))
