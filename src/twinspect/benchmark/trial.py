"""A trial, as papers report it: fit one method on every good training image, then score the test images.

No image is held out for a threshold, so none is reported; and no test image has a part in the training.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from twinspect.benchmark.batch_one import batch1_seconds
from twinspect.benchmark.pro_by_image import ProByImage
from twinspect.data.fingerprint import fingerprint
from twinspect.errors import DataError
from twinspect.evaluation.evaluation import evaluate_scores
from twinspect.evaluation.image_scores import count_images
from twinspect.evaluation.labelled_set import open_test_set
from twinspect.evaluation.metric_row import MetricRow, mean_row
from twinspect.utils import peak_memory
from twinspect.utils.devices import choose_device, choose_precision
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from twinspect.data import DataSet, Sample
    from twinspect.detector import Detector
    from twinspect.evaluation.evaluation import Evaluation
    from twinspect.inference.results import ImageScore
    from twinspect.utils.progress import Progress

    Keep: TypeAlias = Callable[[Detector, DataSet], None]


@dataclass(frozen=True)
class Costs:
    """Time, memory and size of a trial.

    Attributes:
        fit_seconds: wall clock of the training; ``None`` if it went on from a checkpoint.
        images_per_second: test images read, prepared and scored with their maps, by wall clock; ``None`` if not
            measured.
        peak_memory: most resident memory of the process, in bytes; ``None`` where the system does not tell.
        gpu_memory: most memory of tensors on the GPU, in bytes; ``None`` without CUDA.
        parameters: parameters of all networks, teacher included.
        trained_parameters: those of them that are not the teacher's.
        batch1_seconds: network and map for one image alone; ``None`` if not measured.
    """

    fit_seconds: float | None
    images_per_second: float | None
    peak_memory: int | None
    gpu_memory: int | None
    parameters: int
    trained_parameters: int
    batch1_seconds: float | None = None


@dataclass(frozen=True)
class Trial:
    """The results of a trial.

    Attributes:
        rows: every test image with its raw score, or why it could not be read; maps are not kept.
        categories: the metrics of each category, those included that only some test sets have; see
            ``metrics/definitions.py``.
        mean: of each metric over the categories that have it.
        pooled: over all images at once.
        error_bounds: how far a binned pixel metric may be off, by category; empty where all are exact.
        images: how many there were to train on, and good, anomalous and unreadable ones in the test.
        costs: time, memory and size.
        curves: what stages of the training measured on held-out training images, by stage and name.
    """

    rows: list[ImageScore]
    categories: dict[str, MetricRow]
    mean: MetricRow
    pooled: MetricRow
    error_bounds: dict[str, Any]
    images: dict[str, int]
    costs: Costs
    curves: dict[str, list[float]] = field(default_factory=dict)


def detector_identity(detector: Detector) -> dict[str, Any]:
    """Return in plain JSON values what decides a trial's numbers besides the images.

    Raises:
        TwinspectError: wrong settings, or a teacher that cannot be had.
    """
    fitting = detector.fitting("")
    teacher, trainer = fitting.teacher, fitting.trainer
    return {
        "method": detector.method_name,
        "config": fitting.identity()["config"],
        "teacher": {
            "name": teacher.name,
            "sha256": teacher.sha256,
            "levels": [level.name for level in teacher.levels],
        },
        "seed": trainer.seed,
        "precision": choose_precision(trainer.precision, choose_device(trainer.device)),
    }


def run_trial(
    detector: Detector,
    data: DataSet,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> Trial:
    """Fit a detector's method and score the test images.

    Args:
        detector: gives method, settings and seed; it stays unfitted.
        data: good images of its split ``train`` are learnt from; those of the split ``test`` are scored.
        checkpoint: folder that the training goes on from if there is a checkpoint in it, and writes to.
        progress: called for every step and every image scored.
        keep: called with the fitted detector, which has no threshold, and the data, to keep more than numbers.

    Raises:
        TwinspectError: wrong settings, nothing to train on or to test, an unreadable training image or mask.
    """
    train, test = training_images(data), open_test_set(data)
    resumed = checkpoint is not None and any(checkpoint.glob("*.safetensors"))
    peak_memory.reset()
    fitting = detector.fitting(fingerprint(train), progress=progress, checkpoint=checkpoint, resume=True)
    start = time.perf_counter()
    model, history = fitting.fit_all(train)
    seconds = None if resumed else time.perf_counter() - start
    engine, pro = fitting.engine(model), ProByImage()
    images = _TimedScores(fitting.scorer.stream(engine, test.samples, maps=True))
    evaluation = _evaluate(test, images, pro, progress or NoProgress())
    costs = Costs(
        seconds,
        len(test) / images.seconds,
        peak_memory.resident_bytes(),
        peak_memory.gpu_bytes(),
        *count_parameters(model, fitting.teacher),
        batch1_seconds(engine, test.samples, detector.bits),
    )
    if keep:
        fitted = detector.clone()
        fitted.model_ = fitting.scoring_model(model)
        keep(fitted, data)
    return replace(trial_of(evaluation, len(train), costs, pro.rows()), curves=history.curves)


def training_images(data: DataSet) -> tuple[Sample, ...]:
    """List the good images of the split ``train``, all of which a trial learns from.

    Raises:
        DataError: there are none.
    """
    good = tuple(sample for sample in data.split("train") if sample.is_good)
    if not good:
        raise DataError(f"{data.name}: no good images to train on; see: twinspect doctor DATA")
    return good


def trial_of(
    evaluation: Evaluation, trained_on: int, costs: Costs, more: Mapping[str, MetricRow] | None = None
) -> Trial:
    """Turn an evaluation into a trial.

    Args:
        evaluation: with a threshold or without; with one, the rows also hold the metrics that need it.
        trained_on: number of images that the detector learnt from.
        costs: of fitting and scoring.
        more: further metrics, by category.
    """
    categories = {name: row | (more or {}).get(name, {}) for name, row in evaluation.full_categories.items()}
    bounds = evaluation.defect_types.category_error_bounds
    return Trial(
        rows=evaluation.rows,
        categories=categories,
        mean=mean_row(list(categories.values())),
        pooled=evaluation.pooled,
        error_bounds={
            **evaluation.error_bounds,
            **{name: evaluation.error_bounds.get(name, {}) | row for name, row in bounds.items()},
        },
        images={"train": trained_on, **count_images(evaluation.rows)},
        costs=costs,
    )


def count_parameters(model: nn.Module, teacher: nn.Module) -> tuple[int, int]:
    """Count the parameters of a model, its teacher's included, and those of them that are not its teacher's."""
    total, fixed = (sum(each.numel() for each in module.parameters()) for module in (model, teacher))
    return total, total - fixed


class _TimedScores:
    """Scored images, and the seconds that scoring them took, without those between one image and the next.

    Args:
        images: scored as they are asked for.
    """

    def __init__(self, images: Iterator[ImageScore]) -> None:
        self.seconds = 0.0
        self._images = images

    def __iter__(self) -> Iterator[ImageScore]:
        while True:
            start = time.perf_counter()
            image = next(self._images, None)
            self.seconds += time.perf_counter() - start
            if image is None:
                return
            yield image


def _evaluate(test: DataSet, images: _TimedScores, pro: ProByImage, progress: Progress) -> Evaluation:
    def watch(image: ImageScore, mask: NDArray[np.bool_] | None) -> None:
        pro.add(image, mask)
        progress.advance()

    progress.start("score", len(test), 0)
    evaluation = evaluate_scores(test, images, watch=watch)
    progress.finish()
    return evaluation
