"""Fitting one model, in whatever process: fit, write its folder, and evaluate it if there are test images."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from twinspect.benchmark.trial import Costs, Trial, count_parameters, trial_of
from twinspect.errors import TwinspectError
from twinspect.evaluation.detectability import SHARE_OF_FIT, measure_detectability
from twinspect.evaluation.evaluation import evaluate
from twinspect.utils import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twinspect.data.samples import DataSet
    from twinspect.detector import Detector
    from twinspect.scale.fit_many.plan import FitJob
    from twinspect.utils.progress import Progress


@dataclass(frozen=True)
class FitResult:
    """The result of a job.

    Attributes:
        trial: metrics and costs; ``None`` if it failed.
        error: why it failed; empty if it did not.
        left_out: which images could not be read, in sentences.
        is_usable: false where the model finds nine of ten synthetic defects of no kind.
    """

    trial: Trial | None
    error: str = ""
    left_out: tuple[str, ...] = ()
    is_usable: bool = True


def fit_one(job: FitJob, progress: Progress | None = None) -> FitResult:
    """Fit a model, resuming from its checkpoint if there is one.

    An error of one model is returned, not raised, so that the others go on.

    Args:
        job: what to fit, and how.
        progress: counts every step of the training.
    """
    left_out: list[str] = []
    try:
        with _threads(job.cpus):
            trial, is_usable = _trial(job, progress, left_out.append)
            return FitResult(trial, left_out=tuple(left_out), is_usable=is_usable)
    except (TwinspectError, OSError) as error:
        return FitResult(None, str(error))
    except (
        RuntimeError,
        MemoryError,
    ) as error:  # raised by torch, for instance if a GPU has too little memory
        return FitResult(None, f"{type(error).__name__}: {error}")


def _trial(job: FitJob, progress: Progress | None, say: Callable[[str], None]) -> tuple[Trial, bool]:
    """Fit, save and evaluate; and tell whether the model is usable."""
    resumed = any(job.checkpoints.glob("*.safetensors"))
    peak_memory.reset()
    detector, data = job.run.detector.clone(), job.run.read()
    began = time.perf_counter()
    detector.fit(data, progress=progress, checkpoint=job.checkpoints, resume=True, say=say)
    seconds = time.perf_counter() - began
    tried = measure_detectability(detector, data, seconds=SHARE_OF_FIT * seconds, progress=progress)
    detector.detectability_ = tried
    detector.save(job.model)
    trial = _evaluate(detector, data, None if resumed else seconds)
    return trial, not tried.is_useless(detector.calibration_)


def _evaluate(detector: Detector, data: DataSet, seconds: float | None) -> Trial:
    """Evaluate the model; without test images, only record what the fit took."""
    trained = detector.data_["train"]
    evaluation = evaluate(detector, data) if data.split("test") else None
    # Scoring is not timed separately from reading masks, so no rate is given.
    sizes = count_parameters(detector.model_, detector.model_.method.teacher)
    costs = Costs(seconds, None, peak_memory.resident_bytes(), peak_memory.gpu_bytes(), *sizes)
    if evaluation:
        return replace(
            trial_of(evaluation, trained, costs), rows=[]
        )  # only the numbers go to another process
    return Trial([], {}, {}, {}, {}, {"train": trained, "good": 0, "anomalous": 0, "unreadable": 0}, costs)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Make torch compute in so many threads: the last bits of weights depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
