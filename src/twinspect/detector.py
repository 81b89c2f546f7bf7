"""The detector: fit on good images, score others, calibrate, save and load. All that the edges talk to."""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twinspect import bundle
from twinspect.calibration import (
    Calibration,
    check_folds,
    check_kind,
    check_rate,
    choose_rate,
    counts_to_hold_out,
)
from twinspect.data import open_data
from twinspect.data.fingerprint import fingerprint
from twinspect.data.loading import default_workers
from twinspect.data.splits import hold_out
from twinspect.devices import choose_device
from twinspect.errors import BundleError, DataError, NotFittedError, unknown_name
from twinspect.fitting import Fitting
from twinspect.methods import method_class
from twinspect.methods.config import make_config, usual_preset, usual_teacher, with_length
from twinspect.model import Model
from twinspect.scores import ImageScore, Scores
from twinspect.scoring import SCORE_BATCH, Scorer
from twinspect.teachers import create_teacher
from twinspect.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinspect.data import DataSource
    from twinspect.data.samples import DataSet, Sample
    from twinspect.methods.config import MethodConfig
    from twinspect.progress import Progress
    from twinspect.teachers import Teacher


class Detector:
    """An anomaly detector that learns from good images alone.

    The constructor only stores its arguments, under their names; :meth:`fit` does the work and leaves what it
    learned in attributes that end in an underscore.

    Args:
        method: a name from :func:`twinspect.methods`.
        teacher: a name from :func:`twinspect.teachers`, or any timm model; ``None`` for the method's usual one.
        weights: the teacher's weights: a file, ``"random"``, or ``None`` for the published ones.
        layers: the teacher's levels; ``None`` for its usual ones.
        preset: a named set of the method's settings; ``None`` for the method's defaults, and for ``"paper"`` where
            there is one, no length is given and the device is not a CPU.
        size: side of the square that images are resized to, in pixels; ``None`` for the method's.
        steps: optimiser steps; ``None`` for the method's.
        epochs: passes over the training images, instead of steps.
        seed: decides the split, the initial weights and the order of images.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: of training: ``auto``, ``fp32`` or ``bf16``. Scoring is always fp32.
        false_alarm_rate: the rate to promise; ``None`` for the smallest that the images allow.
        calibration: ``split`` (hold good images out) or ``cv`` (K fits; every image serves both ways).
        bits: significant bits of 16-bit image files, for cameras that use 10, 12 or 14; ``None`` for 16.
        workers: threads that read images; ``None`` for the number of processors, at most 8.
        cache_mb: memory for prepared images and teacher features while training, in MiB.
        **settings: single settings of the method, such as ``localization="guided"`` for MKD.

    Attributes:
        model_: the trained :class:`torch.nn.Module`.
        calibration_: held-out scores, threshold and promised rate.
        losses_: the loss of every step, by stage.
        curves_: what stages measured on held-out training images now and then, by stage and name.
        data_: what it was fitted on: fingerprint and counts.
    """

    model_: Model
    calibration_: Calibration
    losses_: dict[str, list[float]]
    curves_: dict[str, list[float]]
    data_: dict[str, Any]

    def __init__(
        self,
        method: str = "mkd",
        *,
        teacher: str | None = None,
        weights: str | Path | None = None,
        layers: Sequence[int] | None = None,
        preset: str | None = None,
        size: int | None = None,
        steps: int | None = None,
        epochs: int | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        false_alarm_rate: float | None = None,
        calibration: str = "split",
        bits: int | None = None,
        workers: int | None = None,
        cache_mb: int = 2048,
        **settings: Any,
    ) -> None:
        self.method = method
        self.teacher = teacher
        self.weights = weights
        self.layers = layers
        self.preset = preset
        self.size = size
        self.steps = steps
        self.epochs = epochs
        self.seed = seed
        self.device = device
        self.precision = precision
        self.false_alarm_rate = false_alarm_rate
        self.calibration = calibration
        self.bits = bits
        self.workers = workers
        self.cache_mb = cache_mb
        self.settings = settings

    def __repr__(self) -> str:
        defaults = inspect.signature(Detector).parameters
        shown = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if name != "method" and (name not in defaults or value != defaults[name].default)
        ]
        return f"Detector({', '.join([repr(self.method), *shown])})"

    # Parameters, in scikit-learn's manner ------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return the constructor's arguments by name."""
        names = [n for n, p in inspect.signature(Detector).parameters.items() if p.kind is not p.VAR_KEYWORD]
        return {**{name: getattr(self, name) for name in names}, **self.settings}

    def set_params(self, **parameters: Any) -> Detector:
        """Change constructor arguments; names that are none of its own are settings of the method."""
        own = inspect.signature(Detector).parameters
        for name, value in parameters.items():
            if name in own:
                setattr(self, name, value)
            else:
                self.settings[name] = value
        return self

    def clone(self) -> Detector:
        """Return an unfitted detector with the same parameters."""
        return Detector(**self.get_params())

    # Fitting ------------------------------------------------------------------------------------------------

    def fit(
        self,
        data: DataSource,
        *,
        progress: Progress | None = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
    ) -> Detector:
        """Learn from good images, holding some out to calibrate the threshold.

        Only good images of the splits ``train`` and ``calibration`` are read; test images never are.

        Args:
            data: a folder in any of the layouts, a manifest, a list of paths, a data set, or (N, H, W, 3) uint8.
            progress: told about every step.
            checkpoint: folder for checkpoints, so that an interrupted fit can go on.
            resume: go on from that folder instead of starting anew.

        Returns:
            The detector itself.

        Raises:
            TwinspectError: wrong settings, unreadable images, too few images for the rate asked for.
        """
        config = self._config()
        kind = check_kind(self.calibration)
        train, held = self._split(open_data(data, split="train"), kind)
        images = fingerprint([*train, *held])
        fitting = Fitting(
            self.method,
            config,
            self._create_teacher(),
            Trainer(self.seed, self.device, self.precision, self._threads(), self.cache_mb, self.bits),
            self._scorer(),
            images,
            progress,
            Path(checkpoint) if checkpoint else None,
            resume,
        )
        model, history, good = fitting.cross(train) if kind == "cv" else fitting.split(train, held)
        self.model_, self.losses_, self.curves_ = model, history.losses, history.curves
        self.calibration_ = good.calibration(self.false_alarm_rate, kind)
        self.data_ = {
            "fingerprint": images,
            "train": len(train),
            "calibration": len(held) or len(train),
            "categories": sorted({sample.category for sample in train}),
        }
        return self

    def split(self, data: DataSource) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
        """Say which images :meth:`fit` would train on and which it would hold out, without reading any.

        Raises:
            TwinspectError: as :meth:`fit` does for the same data.
        """
        return self._split(open_data(data, split="train"), check_kind(self.calibration))

    def _split(self, data: DataSet, kind: str) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
        good = tuple(sample for sample in data.split("train") if sample.is_good)
        own = tuple(sample for sample in data.split("calibration") if sample.is_good)
        if not good:
            raise DataError(
                f"{data.name}: no good images to train on; see what would be read with: twinspect doctor DATA"
            )
        if kind == "cv":
            check_folds(len(good) + len(own), self.false_alarm_rate)
            return good + own, ()
        if own:
            choose_rate(len(own), self.false_alarm_rate)
            return good, own
        sizes = Counter(sample.category for sample in good)
        kept, held = hold_out(good, counts_to_hold_out(sizes, self.false_alarm_rate), self.seed)
        return tuple(kept), tuple(held)

    def _config(self) -> MethodConfig:
        settings = dict(self.settings)
        if self.size is not None:
            settings["size"] = self.size
        cls = method_class(self.method).Config
        config = make_config(cls, self._preset(cls), settings)
        return with_length(config, steps=self.steps, epochs=self.epochs)

    def _create_teacher(self) -> Teacher:
        cls = method_class(self.method)
        on_cpu = choose_device(self.device).type == "cpu"
        name = self.teacher or usual_teacher(cls.Config, on_cpu=on_cpu)
        layers = cls.usual_layers(name) if self.layers is None else self.layers
        return create_teacher(name, weights=self.weights, layers=layers, seed=self.seed)

    def _preset(self, cls: type[MethodConfig]) -> str | None:
        """Return the preset asked for, or the usual one of the device where no length was given either."""
        lengths = [name for name in self.settings if name.endswith(("steps", "epochs"))]
        if self.preset is not None or lengths or self.steps or self.epochs:
            return self.preset
        return usual_preset(cls, on_cpu=choose_device(self.device).type == "cpu")

    # Scoring ------------------------------------------------------------------------------------------------

    def score(self, images: DataSource, *, maps: bool = True, category: str | None = None) -> Scores:
        """Score images.

        An image that cannot be read does not stop the others: its score is NaN and ``errors`` says why.

        Args:
            images: anything :meth:`fit` takes, or one path; every sample is scored, whatever its split.
            maps: whether to keep anomaly maps; they take four bytes a pixel.
            category: what all these images show; ``None`` for what the data says. A category that was calibrated
                has a threshold of its own, all else the pooled one. It never changes a raw score.

        Raises:
            NotFittedError: before :meth:`fit`.
            ConfigError: a category that the detector was not calibrated on.
        """
        return Scores.collect(self.stream(images, maps=maps, category=category), maps=maps)

    def stream(
        self, images: DataSource, *, maps: bool = True, start: int = 0, category: str | None = None
    ) -> Iterator[ImageScore]:
        """Score images one after the other, with memory that does not grow with their number.

        Args:
            images: as for :meth:`score`.
            maps: whether to make anomaly maps at the images' own sizes.
            start: how many images at the front of the list to leave out. Scores do not depend on it.
            category: as for :meth:`score`.
        """
        model, calibration = self._fitted()
        samples = open_data(images, split="test").samples
        if category is not None:
            if category not in calibration.categories:
                raise unknown_name("category", category, sorted(set(calibration.categories)))
            samples = tuple(replace(sample, category=category) for sample in samples)
        begin = start - start % SCORE_BATCH  # the same batches as from the start, hence the same last bits
        results = self._scorer().stream(model, samples[begin:], maps=maps)
        for number, raw in enumerate(results, start=begin):
            if number >= start:
                own = calibration.of(raw.sample.category)
                p_value = float(own.p_values([raw.score])[0])
                is_anomalous = bool(own.is_anomalous([raw.score])[0])
                yield ImageScore(raw.sample, raw.score, p_value, is_anomalous, raw.map, raw.error)

    def calibrate(self, good: DataSource, *, false_alarm_rate: float | None = None) -> Detector:
        """Set a new threshold from good images that the student has not seen; nothing is trained.

        Args:
            good: good images; those of a data set's training split are meant, or all in a plain folder.
            false_alarm_rate: the rate to promise; ``None`` for the smallest these images allow.

        Raises:
            CalibrationError: too few images for that rate.
            ImageError: an image cannot be read.
        """
        model, _ = self._fitted()
        samples = [
            sample for sample in open_data(good, split="train") if sample.is_good and sample.split != "test"
        ]
        choose_rate(len(samples), false_alarm_rate)  # refuse before the work, not after it
        self.calibration_ = self._scorer().good(model, samples).calibration(false_alarm_rate, "split")
        return self

    def set_rate(self, false_alarm_rate: float) -> Detector:
        """Promise another false-alarm rate from the calibration scores at hand.

        Raises:
            CalibrationError: they are too few for it.
        """
        _, old = self._fitted()
        self.calibration_ = replace(old, false_alarm_rate=check_rate(false_alarm_rate))
        return self

    def _fitted(self) -> tuple[Model, Calibration]:
        try:
            return self.model_, self.calibration_
        except AttributeError:
            raise NotFittedError(
                "this detector has not been fitted; call fit(good_images) or twinspect.load(path)"
            ) from None

    def _scorer(self) -> Scorer:
        return Scorer(self.device, self._threads(), self.bits)

    def _threads(self) -> int:
        return default_workers() if self.workers is None else self.workers

    # Keeping ------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the detector to a folder: ``weights.safetensors`` and ``model.json``.

        Raises:
            BundleError: the place is taken by something else, or cannot be written; nothing is lost.
        """
        model, _ = self._fitted()
        bundle.write_bundle(Path(path), self._record(), model.state_dict())

    def save_calibration(self, path: str | Path) -> None:
        """Write only the calibration into a model folder that this detector was loaded from or saved to."""
        folder = Path(path)
        bundle.rewrite_record(
            folder, {**bundle.read_record(folder), "calibration": self.calibration_.to_record()}
        )

    def _record(self) -> dict[str, Any]:
        model, calibration = self._fitted()
        return {
            "method": self.method,
            "seed": self.seed,
            "parameters": {name: _plain(value) for name, value in self.get_params().items()},
            **model.record(),
            "calibration": calibration.to_record(),
            "data": self.data_,
            "losses": {stage: _thin(values) for stage, values in self.losses_.items()},
            "curves": self.curves_,
        }

    @classmethod
    def from_bundle(cls, path: str | Path, *, device: str = "auto") -> Detector:
        """Load a detector from its folder; nothing else is needed, and no code in it is run.

        Raises:
            BundleError: a missing, damaged, altered or unknown file, by name.
        """
        folder = Path(path)
        record = bundle.read_record(folder)
        tensors = bundle.read_tensors(folder, record)
        detector = cls(**{**record["parameters"], "device": device})
        detector.model_ = Model.from_record(record["method"], record)
        try:
            detector.model_.load_state_dict(tensors)
        except RuntimeError as error:
            raise BundleError(f"{folder / bundle.WEIGHTS} does not fit {bundle.RECORD}: {error}") from error
        detector.calibration_ = Calibration.from_record(record["calibration"])
        detector.losses_, detector.data_ = record["losses"], record["data"]
        detector.curves_ = record.get("curves", {})  # format 1 was first written without
        return detector


def load(path: str | Path, *, device: str = "auto") -> Detector:
    """Load a detector that :meth:`Detector.save` or ``twinspect fit`` wrote.

    Args:
        path: the model folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        BundleError: a missing, damaged, altered or unknown file, by name.
    """
    return Detector.from_bundle(path, device=device)


def _plain(value: Any) -> Any:
    """Turn a parameter into a JSON value; only paths and sequences need it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _thin(values: list[float], points: int = 500) -> list[float]:
    """Keep at most so many losses for the record, evenly spaced and with the last."""
    if len(values) <= points:
        return values
    places = np.linspace(0, len(values) - 1, points).round().astype(int)
    return [values[place] for place in places]
