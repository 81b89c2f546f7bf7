"""Where models are fitted: one after the other in this process, or side by side as Ray tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from twinspect.benchmark.trial import detector_identity
from twinspect.errors import ConfigError
from twinspect.scale.fit_many.fit_one import FitResult, fit_one
from twinspect.scale.ray_cluster import cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from twinspect.detector import Detector
    from twinspect.scale.fit_many.plan import FitJob
    from twinspect.utils.progress import Progress

    Claim = Callable[[], FitJob | None]
    """Claims the next job; ``None`` if none is left now."""

RETRIES: Final = 3
"""How often a fit is resumed after its process died."""
OVERCOMMIT: Final = 1.25
"""Jobs are submitted for so many times the available processors, so that none of these waits, and an autoscaling
cluster grows."""
CHECKPOINT_SECONDS: Final = 15.0
"""Time that interrupted trainings have to write their checkpoints."""


class FitEngine(Protocol):
    """Fits models."""

    def identify(self, detector: Detector, gpus: float) -> dict[str, Any]:
        """Describe what decides a detector's numbers on the machine that will fit it."""

    def run(self, claim: Claim) -> Iterator[tuple[FitJob, FitResult]]:
        """Fit the jobs that are claimed, and yield each result as it comes."""


@dataclass(frozen=True)
class LocalFitEngine:
    """One model after the other, in this process.

    Attributes:
        progress: counts every step.
    """

    progress: Progress | None = None

    def identify(self, detector: Detector, gpus: float) -> dict[str, Any]:  # noqa: ARG002 - an engine's signature
        """Describe it for this machine."""
        return detector_identity(detector)

    def run(self, claim: Claim) -> Iterator[tuple[FitJob, FitResult]]:
        """Fit one after the other."""
        while (job := claim()) is not None:
            yield job, fit_one(job, self.progress)


@dataclass(frozen=True)
class RayFitEngine:
    """A Ray task for each model, with the processors and GPUs that it requests.

    Attributes:
        address: address of the cluster, ``auto``, or ``None`` for a private one on this machine.
        cpus: least number of CPUs of a private cluster.
    """

    address: str | None = None
    cpus: int = 1

    def identify(self, detector: Detector, gpus: float) -> dict[str, Any]:
        """Describe it for this machine, or for one with GPUs if the fit takes some."""
        if not gpus or self.address is None:
            return detector_identity(detector)
        with cluster(self.address, cpus=self.cpus) as ray:
            record: dict[str, Any] = ray.get(
                ray.remote(detector_identity).options(num_gpus=gpus).remote(detector)
            )
            return record

    def run(self, claim: Claim) -> Iterator[tuple[FitJob, FitResult]]:
        """Fit side by side; closing the iterator interrupts the trainings, which then write their checkpoints."""
        first = claim()
        if first is None:
            return
        with cluster(self.address, cpus=self.cpus) as ray:
            tasks = _RunningTasks(ray)
            try:
                tasks.submit(first)
                yield from _results(tasks, claim)
            finally:
                tasks.cancel()


def _results(tasks: _RunningTasks, claim: Claim) -> Iterator[tuple[FitJob, FitResult]]:
    while tasks.jobs:
        while tasks.has_room() and (job := claim()) is not None:
            tasks.submit(job)
        yield tasks.next()


class _RunningTasks:
    """The Ray tasks that were submitted and are not finished.

    Args:
        ray: the ``ray`` module, connected.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._task = ray.remote(fit_one)
        self.jobs: dict[Any, FitJob] = {}

    def has_room(self) -> bool:
        """Whether another job should be submitted."""
        return has_room(self.jobs.values(), self._ray.cluster_resources())

    def submit(self, job: FitJob) -> None:
        """Submit a job.

        Raises:
            ConfigError: the cluster does not have the GPUs that the job requests.
        """
        gpus = self._ray.cluster_resources().get("GPU", 0)
        if job.gpus > gpus:
            raise ConfigError(
                f"{job.name}: {job.gpus:g} GPUs requested, Ray has {gpus:g}; change it, or name a cluster: --address"
            )
        # `ps` shows the name; a task whose process dies is retried, from its checkpoint.
        options = {
            "num_cpus": job.cpus,
            "num_gpus": job.gpus,
            "name": f"fit {job.name}",
            "max_retries": RETRIES,
        }
        self.jobs[self._task.options(**options).remote(job)] = job

    def next(self) -> tuple[FitJob, FitResult]:
        """Wait for the next job to finish."""
        (finished,), _ = self._ray.wait(list(self.jobs), num_returns=1)
        job = self.jobs.pop(finished)
        try:
            return job, self._ray.get(finished)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            died = f"its process died {RETRIES + 1} times: {error}"
            return job, FitResult(None, f"{type(cause).__name__}: {cause}" if cause else died)

    def cancel(self) -> None:
        """Interrupt the unfinished tasks, and wait a little for their checkpoints."""
        unfinished = list(self.jobs)
        for task in unfinished:
            self._ray.cancel(task)
        if unfinished:
            self._ray.wait(unfinished, num_returns=len(unfinished), timeout=CHECKPOINT_SECONDS)


def has_room(jobs: Collection[FitJob], resources: dict[str, float]) -> bool:
    """Whether another job should be submitted: while those submitted request less than ``OVERCOMMIT`` allows.

    Args:
        jobs: jobs that were submitted.
        resources: processors and GPUs of the cluster, as ``CPU`` and ``GPU``.
    """
    cpus, gpus = sum(job.cpus for job in jobs), sum(job.gpus for job in jobs)
    return cpus < OVERCOMMIT * resources.get("CPU", 1) and (
        not gpus or gpus < OVERCOMMIT * resources.get("GPU", 1)
    )
