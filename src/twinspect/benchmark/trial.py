"""A trial, as papers make it: fit one method on every good training image, then score the test images.

No image is held out for a threshold, so none is reported; and no test image has a part in the training.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from twinspect.data.fingerprint import fingerprint
from twinspect.errors import DataError
from twinspect.evaluation.by_object import object_rows
from twinspect.evaluation.labelled_set import (
    PixelTally,
    by_category,
    counts,
    defect_type_table,
    open_test_set,
    quality,
)
from twinspect.evaluation.metric_row import MetricRow, mean_row
from twinspect.utils import peak_memory
from twinspect.utils.devices import choose_device, choose_precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from twinspect.data import DataSet, Sample
    from twinspect.detector import Detector
    from twinspect.evaluation.by_defect_type import DefectTypeTable
    from twinspect.evaluation.evaluation import Evaluation
    from twinspect.evaluation.labelled_set import Measured
    from twinspect.inference.results import ImageScore
    from twinspect.model.tiled import TiledModel
    from twinspect.model.whole_image import Model
    from twinspect.training.fitting import Fitting
    from twinspect.utils.progress import Progress


@dataclass(frozen=True)
class Costs:
    """What a trial took.

    Attributes:
        fit_seconds: wall clock of the training; ``None`` if it went on from a checkpoint.
        images_per_second: test images read, prepared and scored with their maps, by wall clock; ``None`` without any.
        peak_memory: most resident memory of the process, in bytes; ``None`` where it cannot be told.
        gpu_memory: most memory of tensors on the GPU, in bytes; ``None`` without CUDA.
        parameters: numbers in the networks, teacher included.
        trained_parameters: those that are not the teacher's.
    """

    fit_seconds: float | None
    images_per_second: float | None
    peak_memory: int | None
    gpu_memory: int | None
    parameters: int
    trained_parameters: int


@dataclass(frozen=True)
class Trial:
    """What came of a trial.

    Attributes:
        rows: every test image with its raw score, or why it could not be read; maps are not kept.
        categories: the metrics of each category that need no threshold, see ``QUALITY`` and ``FURTHER`` in
            ``evaluation/labelled_set.py``.
        mean: of each metric over the categories that have it.
        pooled: over all images at once.
        error_bounds: how far a binned pixel metric may be off, by category; empty where all are exact.
        images: how many there were to train on, and good, anomalous and unreadable ones in the test.
        costs: time, memory and size.
    """

    rows: list[ImageScore]
    categories: dict[str, MetricRow]
    mean: MetricRow
    pooled: MetricRow
    error_bounds: dict[str, Any]
    images: dict[str, int]
    costs: Costs


def identity(detector: Detector) -> dict[str, Any]:
    """Say in plain JSON values what decides a trial's numbers besides the images.

    Raises:
        TwinspectError: wrong settings, or a teacher that cannot be had.
    """
    fitting = detector.fitting("")
    teacher, trainer = fitting.teacher, fitting.trainer
    return {
        "method": detector.method,
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
) -> Trial:
    """Fit and score.

    Args:
        detector: says method, settings and seed; it stays unfitted.
        data: good images of its split ``train`` are learnt from; those of the split ``test`` are scored.
        checkpoint: folder that the training goes on from if there is a checkpoint in it, and writes to.
        progress: told about every step, and every image scored.

    Raises:
        TwinspectError: wrong settings, nothing to train on or to test, an unreadable training image or mask.
    """
    train, test = trained_on(data), open_test_set(data)
    resumed = checkpoint is not None and any(checkpoint.glob("*.safetensors"))
    peak_memory.reset()
    fitting = detector.fitting(fingerprint(train), progress=progress, checkpoint=checkpoint, resume=True)
    began = time.perf_counter()
    model, _ = fitting.fit_all(train)
    seconds = None if resumed else time.perf_counter() - began
    scoring = _Scoring(fitting, model, test)
    measured = scoring.measure(progress)
    costs = Costs(
        seconds,
        len(test) / scoring.seconds,
        peak_memory.resident_bytes(),
        peak_memory.gpu_bytes(),
        *sizes(model),
    )
    return _trial(scoring.rows, measured, len(train), costs)


def trained_on(data: DataSet) -> tuple[Sample, ...]:
    """List the good images of the split ``train``, all of which a trial learns from.

    Raises:
        DataError: there are none.
    """
    good = tuple(sample for sample in data.split("train") if sample.is_good)
    if not good:
        raise DataError(f"{data.name}: no good images to train on; see: twinspect doctor DATA")
    return good


class _Scoring:
    """Scores a test set, minding the time that takes apart from reading masks and adding up."""

    def __init__(self, fitting: Fitting, model: Model, test: DataSet) -> None:
        self.rows: list[ImageScore] = []
        self.seconds = 0.0
        self._tally = PixelTally(test.samples)
        self._stream = fitting.scorer.stream(fitting.engine(model), test.samples, maps=True)
        self._images = len(test)

    def measure(self, progress: Progress | None) -> Measured:
        if progress:
            progress.start("score", self._images, 0)
        for row in self._timed():
            self._tally.add(row)
            self.rows.append(replace(row, map=None))
            if progress:
                progress.advance()
        if progress:
            progress.finish()
        return self._tally.compute()

    def _timed(self) -> Iterator[ImageScore]:
        while True:
            began = time.perf_counter()
            row = next(self._stream, None)
            self.seconds += time.perf_counter() - began
            if row is None:
                return
            yield row


def trial_of(found: Evaluation, trained: int, costs: Costs) -> Trial:
    """Say what an evaluation found as a trial does; its rows are not kept.

    Args:
        found: of a detector with a threshold, so that its lines also say what the threshold did.
        trained: images that the detector learnt from.
        costs: what that took.
    """
    categories = _whole_lines(found.categories, found.kinds, found.objects)
    bounds = _bounds(found.error_bounds, found.kinds)
    images = {"train": trained, **counts(found.rows)}
    return Trial([], categories, mean_row(list(categories.values())), found.pooled, bounds, images, costs)


def _trial(rows: list[ImageScore], measured: Measured, trained: int, costs: Costs) -> Trial:
    groups = by_category(rows)
    kinds = defect_type_table(groups, measured)
    lines = {name: quality(group, measured.categories.get(name)) for name, group in groups.items()}
    categories = _whole_lines(lines, kinds, object_rows(groups))
    return Trial(
        rows=rows,
        categories=categories,
        mean=mean_row(list(categories.values())),
        pooled=quality(rows, measured.pooled),
        error_bounds=_bounds(measured.error_bounds, kinds),
        images={"train": trained, **counts(rows)},
        costs=costs,
    )


def _whole_lines(
    lines: Mapping[str, MetricRow], kinds: DefectTypeTable, objects: Mapping[str, MetricRow]
) -> dict[str, MetricRow]:
    """Add to each category's metrics those that only some test sets have."""
    return {
        name: line | kinds.categories.get(name, {}) | objects.get(name, {}) for name, line in lines.items()
    }


def _bounds(bounds: Mapping[str, Any], kinds: DefectTypeTable) -> dict[str, Any]:
    return {**bounds, **{name: {**bounds.get(name, {}), **own} for name, own in kinds.bounds.items()}}


def sizes(model: Model | TiledModel) -> tuple[int, int]:
    """Count the parameters of all networks, and of those that learn."""
    everything = sum(parameter.numel() for parameter in model.parameters())
    teacher = sum(parameter.numel() for parameter in model.method.teacher.parameters())
    return everything, everything - teacher
