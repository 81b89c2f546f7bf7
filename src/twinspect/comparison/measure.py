"""Fitting a candidate and measuring what it finds, how fast and how large it is; what is done is not done again."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinspect.benchmark.batch_one import batch1_seconds
from twinspect.bundle.folder import is_model
from twinspect.comparison.results import ImageRecord, Result, read_result, write_result
from twinspect.data.pixels import read_pixels
from twinspect.data.samples import GOOD
from twinspect.detector import Detector
from twinspect.errors import DataError, TwinspectError
from twinspect.evaluation.learnt_overlap import leave_out_learnt
from twinspect.export import export
from twinspect.inference.runtimes import RUNTIMES
from twinspect.inference.torch_detector import TorchDetector
from twinspect.inference.torch_engine import TorchEngine
from twinspect.loading import TORCH, load
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twinspect.comparison.candidates import Candidate
    from twinspect.comparison.images import ComparisonImages
    from twinspect.data.samples import Sample
    from twinspect.utils.progress import Progress

FORMAT: Final = 1
"""Part of the keys: other numbers are measured anew."""
INDIFFERENT: Final = ("workers", "cache_mb")
"""Arguments of a detector that change no number."""
EXPORTED: Final = ("openvino", "onnx")
"""Runtimes to export to, the first that is installed."""


@dataclass(frozen=True)
class Workshop:
    """Where and how candidates are fitted and measured.

    Attributes:
        folder: keeps models and results.
        images: of the comparison.
        shared: arguments of the detector that all candidates have.
        exports: whether to time an export where a runtime is installed.
        progress: told of every step and image.
        say: told of images that cannot be read.
        strict: whether to refuse these.
    """

    folder: Path
    images: ComparisonImages
    shared: dict[str, Any]
    exports: bool = True
    progress: Progress | None = None
    say: Callable[[str], None] = print
    strict: bool = False

    def model(self, candidate: Candidate) -> Path:
        """Return where a candidate's model is kept."""
        return self.folder / "models" / f"{candidate.file_name}.twin"

    def load(self, candidate: Candidate) -> TorchDetector:
        """Load a candidate's model."""
        detector = load(self.model(candidate), device=self.shared.get("device") or "auto", runtime=TORCH)
        assert isinstance(detector, TorchDetector)  # noqa: S101 - load gives one unless an export is asked for
        return detector

    def measured(self, candidate: Candidate) -> Result:
        """Fit and measure a candidate, as far as that is not done.

        Raises:
            TwinspectError: wrong settings, too few images, a teacher that cannot be had.
            KeyboardInterrupt: Ctrl-C or SIGTERM; its training goes on next time.
        """
        path = self.folder / "results" / f"{candidate.file_name}.json"
        detector, result = self._fitted(candidate, path)
        key = _key([result.fit_key, self.images.least_side, self.exports and _runtime()])
        if result.measure_key != key:
            self._measure(detector or self.load(candidate), self.model(candidate), result)
            result.measure_key = key
            write_result(path, result)
        return result

    def _fitted(self, candidate: Candidate, path: Path) -> tuple[TorchDetector | None, Result]:
        """Fit a candidate; ``None`` and its result where that was done before."""
        parameters, model = candidate.joined(self.shared), self.model(candidate)
        decisive = {name: str(value) for name, value in parameters.items() if name not in INDIFFERENT}
        key = _key([decisive, self.images.key])
        known = read_result(path)
        if known and known.fit_key == key and is_model(model):
            return None, known
        checkpoints = self.folder / "checkpoints" / key[:16]
        resumed = any(checkpoints.glob("*.safetensors"))
        detector, began = Detector(**parameters), time.monotonic()
        detector.fit(
            self.images.data,
            progress=self.progress,
            checkpoint=checkpoints,
            resume=True,
            strict=self.strict,
            say=self.say,
        )
        seconds = None if resumed else time.monotonic() - began
        model.parent.mkdir(parents=True, exist_ok=True)
        detector.save(model)
        steps = {stage: len(losses) for stage, losses in detector.losses_.items()}
        result = Result(key, seconds, steps)
        write_result(path, result)
        shutil.rmtree(checkpoints, ignore_errors=True)
        return detector, result

    def _measure(self, detector: TorchDetector, model: Path, result: Result) -> None:
        """Score the images that candidates are judged by, and time one."""
        calibration = detector.calibration_
        categories = calibration.categories or ("",) * len(calibration.scores)
        good = sorted(zip(calibration.names, categories, calibration.scores, strict=True))
        result.good = [ImageRecord(name, GOOD, category, score) for name, category, score in good]
        result.drawn, result.found = self._score_drawn(detector)
        result.labelled = self._score_labelled(detector)
        result.milliseconds, result.runtime, result.mebibytes = self._costs(detector, model)

    def _score_drawn(self, detector: TorchDetector) -> tuple[list[ImageRecord], int]:
        records, found = list[ImageRecord](), 0
        for size, samples in self.images.drawn(detector):
            for row in detector.raw_scores(samples, maps=False):
                name = f"{row.sample.label}, {100 * size:g} %, {row.sample.name}"
                records.append(ImageRecord(name, row.sample.label, row.sample.category, row.score))
                found += row.score > detector.calibration_.of(row.sample.category).threshold
        return records, found

    def _score_labelled(self, detector: TorchDetector) -> list[ImageRecord]:
        """Score labelled images but those that were learnt from; unreadable ones are left out."""
        if not self.images.labelled:
            return []
        try:
            test, _ = leave_out_learnt(detector, self.images.data.with_samples(self.images.labelled))
        except DataError:
            return []
        progress, records = self.progress or NoProgress(), []
        progress.start("score labelled images", len(test), 0)
        for row in detector.raw_scores(test.samples, maps=False):
            progress.advance()
            sample = row.sample
            if not row.error:
                records.append(ImageRecord(sample.name, sample.label, sample.category, row.score))
        progress.finish()
        return records

    def _costs(self, detector: TorchDetector, model: Path) -> tuple[float, str, float]:
        """Measure the milliseconds of an image, by what, and the size in MiB of what computes it."""
        samples = [sample for sample in self.images.data.split("train") if sample.is_good]
        runtime = _runtime() if self.exports else None
        if runtime:
            try:
                made = export(model, runtime, fixed_size=_fixed_size(detector, samples))
            except TwinspectError as error:
                self.say(f"{model.name} is timed by torch: {error}")
            else:
                return made.milliseconds, runtime, sum(file["bytes"] for file in made.record["files"]) / 2**20
        engine = TorchEngine(detector.model_, detector.device)
        seconds = batch1_seconds(engine, samples, detector.bits) or 0.0
        weights = sum(file.stat().st_size for file in model.glob("*.safetensors"))
        return 1000 * seconds, "torch", weights / 2**20


def _runtime() -> str | None:
    return next((name for name in EXPORTED if RUNTIMES[name].is_installed), None)


def _fixed_size(detector: TorchDetector, samples: Sequence[Sample]) -> tuple[int, int] | None:
    """Return height and width of the images where a graph can take one size only."""
    if detector.model_.any_size:
        return None
    height, width, _ = read_pixels(samples[0], bits=detector.bits).shape
    return height, width


def _key(values: Any) -> str:
    return hashlib.sha256(json.dumps([FORMAT, values], sort_keys=True, default=str).encode()).hexdigest()
