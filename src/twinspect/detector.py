"""The detector: parameters, and learning from good images; it scores and is saved as every torch detector is."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinspect.bundle.description import describe_model
from twinspect.bundle.kept_images import select_images
from twinspect.bundle.learnt_images import LearntImages, shorten
from twinspect.calibration.hold_out import choose_kind
from twinspect.calibration.parts import count_parts, parts_note
from twinspect.calibration.sharing import share_images
from twinspect.data import open_data
from twinspect.data.fingerprint import content_digests, fingerprint_of
from twinspect.data.significant_bits import choose_bits
from twinspect.errors import DataError
from twinspect.inference.chosen_networks import ChosenNetworks
from twinspect.inference.left_out import (
    adding_note,
    refuse_or_say,
    silently,
    unreadable_note,
    unreadable_record,
    without_unreadable,
)
from twinspect.inference.torch_detector import to_json_value
from twinspect.methods import method_class
from twinspect.methods.default import USUAL, default_for
from twinspect.model.tiled import TiledModel, tiled
from twinspect.model.tiling import Tiling
from twinspect.model.whole_image import Model
from twinspect.regions.scope import aligned, check_align, scope_of
from twinspect.teachers.curated import AUTO as AUTO_TEACHER
from twinspect.training.augmentation import Augmentation
from twinspect.training.budget import Budget
from twinspect.training.fitting import Fitting
from twinspect.training.start import Start
from twinspect.training.trainer import Trainer
from twinspect.training.training_inputs import count_tiles
from twinspect.utils.devices import choose_device
from twinspect.utils.distributed import check_process_counts
from twinspect.utils.progress import AUTO, announce, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twinspect.calibration.conformal import Kind
    from twinspect.data import DataSource
    from twinspect.data.samples import DataSet, Sample
    from twinspect.inference.detector_page import DetectorFacts
    from twinspect.training.loggers import RunLog
    from twinspect.utils.progress import Progress, ProgressChoice


class Detector(ChosenNetworks):
    """An anomaly detector that learns from good images alone.

    The constructor only stores its arguments, under their names; :meth:`fit` does the work and leaves what it
    learned in attributes that end in an underscore.

    Args:
        method: a name from :func:`twinspect.methods`; ``None``: ``"hybrid"``, below 3 images ``"patchcore"``.
        teacher: a name from :func:`twinspect.teachers`, or any timm model; ``"auto"``, or ``None``, for the best that
            is on this machine: the method's usual one, ``"resnet18"``, or else the one that ships, ``"pocket"``.
        weights: the teacher's weights: a file, ``"random"``, or ``None`` for the published ones.
        layers: the teacher's levels; ``None`` for its usual ones.
        preset: a named set of changes of the method's defaults, or several between commas; ``"paper"`` also takes the
            paper's teacher where ``teacher`` is ``"auto"``, and downloads its weights where they are not at hand.
        size: side of the square that images, or their tiles, are resized to, in pixels, or text such as ``256x512``
            (256 high, 512 wide); ``None`` for the method's.
        tile: side of the square tiles that are learnt from and scored, in pixels of the original image; ``None`` for
            whole images. See :class:`twinspect.model.tiling.Tiling`.
        overlap: pixels that neighbouring tiles share at least; without ``tile`` it has no meaning.
        length: ``"quick"`` for the method's defaults, or ``"paper"`` for the authors'; ``None`` for the preset's own,
            or else ``"quick"`` on a CPU and ``"paper"`` on other devices.
        steps: optimiser steps of all stages together, instead of a length.
        epochs: passes over the training images, all stages together, instead of steps.
        minutes: of wall-clock time for :meth:`fit`, instead of a length, from its first image to the last held-out
            image that is scored. The schedule follows the time, so the weights depend on how fast the machine is.
        augment: what changes in three further copies of each training image, between commas: ``"lighting"``,
            ``"shift"``; ``None`` for no copies. See :mod:`twinspect.training.augmentation`.
        seed: decides the split, the initial weights and the order of images.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: of training: ``auto``, ``fp32``, ``bf16`` or, on CUDA, ``fp16``. Scoring is always fp32.
        false_alarm_rate: the rate to promise; ``None`` for the smallest that the images allow.
        calibration: ``split`` (hold good images out) or ``cv`` (K fits; every image serves both ways); ``None`` for
            ``cv`` by ``padim``, and by ``hybrid`` and ``patchcore`` of fewer than 19 good images, else ``split``.
        bits: significant bits of 16-bit image files, for cameras that use 10, 12 or 14; ``None`` to recognise it:
            :meth:`fit` sets it to 8, 10 or 12 where no training image uses more.
        workers: threads that read images; ``None`` for the number of processors, at most 8.
        cache_mb: memory for prepared images and teacher features while training, in MiB.
        keep_images: how many of the good images held out are kept with the model, for checking its exports.
        devices: processes that fit together on each machine, each with a device of its own. They are started by
            running the same script or command again, see :func:`twinspect.utils.distributed.launch`.
        nodes: machines, as started by torchrun or Slurm.
        strategy: how they work together: ``ddp``, or ``auto`` for that where there are several.
        roi: the file of a region of interest, outside of which nothing counts: a mask or polygons, see
            :func:`twinspect.regions.region_file.read_region`; ``None`` for those that come with images, if any.
        roi_blank: paint over what lies outside before the networks see it.
        align: bring every part to the place that it has in the good image whose name comes first: by ``shift``,
            or ``rotation`` too; ``None`` for images as they are. The region of interest is that image's.
        **settings: single settings of the method, such as ``localization="guided"`` for MKD.

    Attributes:
        model_: the trained :class:`torch.nn.Module`.
        calibration_: held-out scores, threshold and promised rate.
        data_: what it was fitted on: fingerprint and counts.
    """

    model_: Model | TiledModel

    def __init__(
        self,
        method: str | None = None,
        *,
        teacher: str | None = AUTO_TEACHER,
        weights: str | Path | None = None,
        layers: Sequence[int] | None = None,
        preset: str | None = None,
        size: int | str | None = None,
        tile: int | None = None,
        overlap: int = 32,
        length: str | None = None,
        steps: int | None = None,
        epochs: int | None = None,
        minutes: float | None = None,
        augment: str | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        false_alarm_rate: float | None = None,
        calibration: str | None = None,
        bits: int | None = None,
        workers: int | None = None,
        cache_mb: int = 2048,
        keep_images: int = 3,
        devices: int = 1,
        nodes: int = 1,
        strategy: str = "auto",
        roi: str | Path | None = None,
        roi_blank: bool = False,
        align: str | None = None,
        **settings: Any,
    ) -> None:
        self.method = method
        self.teacher = teacher
        self.weights = weights
        self.layers = layers
        self.preset = preset
        self.size = size
        self.tile = tile
        self.overlap = overlap
        self.length = length
        self.steps = steps
        self.epochs = epochs
        self.minutes = minutes
        self.augment = augment
        self.seed = seed
        self.device = device
        self.precision = precision
        self.false_alarm_rate = false_alarm_rate
        self.calibration = calibration
        self.bits = bits
        self.workers = workers
        self.cache_mb = cache_mb
        self.keep_images = keep_images
        self.devices = devices
        self.nodes = nodes
        self.strategy = strategy
        self.roi = roi
        self.roi_blank = roi_blank
        self.align = align
        self.settings = settings

    def _facts(self) -> DetectorFacts:
        from twinspect.inference.detector_page import DetectorFacts  # noqa: PLC0415 - only where it is shown

        shown_apart = ("method", "teacher", "size")
        settings = {name: value for name, value in self._given_params().items() if name not in shown_apart}
        if hasattr(self, "model_"):
            return replace(super()._facts(), settings=settings)
        return DetectorFacts(self.method_name, self.teacher or AUTO_TEACHER, str(self.size or ""), settings)

    # Fitting ------------------------------------------------------------------------------------------------

    def fit(
        self,
        data: DataSource,
        *,
        progress: ProgressChoice = AUTO,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        strict: bool = False,
        say: Callable[[str], None] = warnings.warn,
        log: str | RunLog | None = None,
    ) -> Detector:
        """Learn from good images, holding some out to calibrate the threshold.

        Only good images of the splits ``train`` and ``calibration`` are read; test images never are. All are read
        once before the training; those that cannot be read are left out, and ``unreadable_`` lists them.

        Args:
            data: a folder in any of the layouts, a manifest, a list of paths, a data set, or (N, H, W, 3) uint8.
            progress: who is told of every step, see :data:`.ProgressChoice`: a notebook shows bars.
            checkpoint: folder for checkpoints, so that an interrupted fit can go on.
            resume: go on from that folder instead of starting anew.
            strict: refuse images that cannot be read instead of leaving them out.
            say: called with a sentence for each image that is left out.
            log: experiment trackers that are told of settings, losses and results: ``mlflow``, ``tensorboard``,
                ``wandb``, several between commas, each perhaps with a destination after a colon; see
                :func:`.loggers.open_run`. One that fails is named, and never stops or changes the fit.

        Returns:
            The detector itself.

        Raises:
            TwinspectError: wrong settings; too few images for the rate asked for; with ``strict``, one unreadable.
        """
        from twinspect.training.loggers import logged  # noqa: PLC0415 - to score, nothing is logged

        with (
            watched(progress) as told,
            logged(log, self.method_name, checkpoint, resume=resume, say=say) as run,
        ):
            seen = run.watch(told, self.config().batch_size, self._described()) if run else told
            self._fit(data, seen, checkpoint, resume=resume, strict=strict, say=say)
            if run:
                run.fitted(self)
        return self

    def _described(self) -> dict[str, Any]:
        return {**self.get_params(), "method": self.method_name}

    def _fit(
        self,
        data: DataSource,
        progress: Progress | None,
        checkpoint: str | Path | None,
        *,
        resume: bool,
        strict: bool,
        say: Callable[[str], None],
    ) -> None:
        self.default_ = USUAL  # until they are counted
        self.config()  # a wrong setting is found before the images are read
        self._trainer()
        check_align(self.align)
        budget = Budget.of(self.minutes)
        tiling = Tiling.of(self.tile, self.overlap)
        check_process_counts(choose_device(self.device), self.devices, self.nodes, self.strategy)
        opened = open_data(data, split="train")
        kind, train, held = self._split(opened)
        has_settings = bool(self.settings or self.preset or self.steps or self.epochs)
        self.default_ = default_for(self.method, len(train), len(held), has_settings=has_settings)
        scope = scope_of(self.roi, [*train, *held], blank=self.roi_blank)
        earlier = getattr(self, "data_", {}).get("recognised_bits")
        given = None if self.bits == earlier else self.bits
        self.bits, bits = choose_bits(given, [*train, *held], workers=self.workers, progress=progress)
        scope = aligned(scope, self.align, [*train, *held], self.bits)
        announce("building the teacher and the student")
        fitting = self.fitting("", progress=progress, checkpoint=checkpoint, resume=resume).look_at(scope)
        self._processes = fitting.trainer.processes
        reading = fitting.read_first([*train, *held], train)
        if reading.unreadable:
            total, told = len(train) + len(held), say if self.is_first else silently
            refuse_or_say(reading.unreadable, total, strict=strict, say=told)
            kind, train, held = self._split_readable(opened, reading.unreadable, total, told)
        names = [sample.name for sample in (*train, *held)]
        digests = dict(zip(names, content_digests([*train, *held]), strict=True))
        images = fingerprint_of(names, list(digests.values()))
        fitting = replace(fitting, fingerprint=images, prepared=reading.prepared, budget=budget)
        model, history, good = fitting.fit_calibrated(kind, train, held)
        self.calibration_ = good.calibration(self.false_alarm_rate, kind)  # it may refuse, so it comes first
        self.model_, self.losses_, self.curves_ = tiled(model, tiling), history.losses, history.curves
        named = {sample.name: sample for sample in held or train}
        scored = [named[name] for name in good.names]
        self.learnt_ = LearntImages(
            frozenset(shorten(digests[sample.name]) for sample in train),
            tuple(reading.perceptual_hashes[name] for name in names),
        )
        self.calibrated_on_ = frozenset(shorten(digests[name]) for name in good.names)
        self.unreadable_, self.earlier_calibrations_, self.scope_ = reading.unreadable, (), scope
        self.images_ = select_images(scored, good.scores, self.keep_images, self.bits)
        self.data_ = {
            "fingerprint": images,
            "train": len(train),
            **({"tiles": count_tiles(train, tiling, scope)} if tiling else {}),
            "calibration": len(held) or len(train),
            "categories": sorted({sample.category for sample in train}),
            **({"held_out": history.held_out} if history.held_out else {}),
            **bits,
            **unreadable_record(reading.unreadable),
        }
        self.fitted_at_, self.detectability_, self.lineage_ = "", None, {}  # those of an earlier fit

    def _split_readable(
        self, data: DataSet, unreadable: dict[str, str], total: int, say: Callable[[str], None]
    ) -> tuple[Kind, tuple[Sample, ...], tuple[Sample, ...]]:
        readable = without_unreadable(data, unreadable, say)
        with adding_note(unreadable_note(len(unreadable), total)):
            return self._split(readable)

    def update(
        self,
        good: DataSource,
        defects: DataSource | None = None,
        *,
        false_alarms: DataSource | None = None,
        steps: int | None = None,
        minutes: float | None = None,
        false_alarm_rate: float | None = None,
        progress: ProgressChoice = AUTO,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        strict: bool = False,
        say: Callable[[str], None] = warnings.warn,
    ) -> Detector:
        """Make a new version that has also learnt from further good images; this one stays as it is.

        It begins with the weights of this one, or the members of its memory, and learns from the new images and again
        from some of those of before that are given too. Images are told by their contents: what an earlier version
        held out stays held out, and of the new ones a part is. The threshold comes from those alone, and the versions
        are compared on them and on the defects: ``lineage_["comparison"]``, where ``reasons`` say what became worse.

        Args:
            good: good images, best all of the product, old and new; as for :meth:`fit`.
            defects: images with defects, on which the versions are compared; nothing is learnt from them.
            false_alarms: good images that this version called anomalous: learnt from, and never calibrated on, which
                would count mistakes more often than they occur; ``None`` if there are none, or nobody knows.
            steps: optimiser steps of all stages together; ``None`` for a third of the fit's.
            minutes: of wall-clock time instead of steps, as for the class.
            false_alarm_rate: the rate to promise; ``None`` for this version's, or 5 % if that is lower and nobody
                asked for more, as far as the images allow it.
            progress: as for :meth:`fit`; so are the others.
            checkpoint: folder for checkpoints.
            resume: go on from that folder.
            strict: refuse images that cannot be read.
            say: called with a sentence.

        Raises:
            TwinspectError: nothing new to learn from, or too little to calibrate on; a method that cannot be updated.
        """
        from twinspect.training.update import UpdateRules, update  # noqa: PLC0415 - it needs SciPy

        self._check_fitted()
        start, budget = Start.of(self.model_, steps), Budget.of(minutes)
        trainer = replace(self._trainer(), devices=1, nodes=1, strategy="auto")
        rules = UpdateRules(false_alarm_rate, self.keep_images, strict, say)
        with watched(progress) as told:
            more = told, Path(checkpoint) if checkpoint else None, resume, Tiling.of(self.tile, self.overlap)
            fitting = Fitting.of_start(self.method_name, start, trainer, self._pipeline(), budget, *more)
            return update(self, fitting.look_at(self.scope_), good, defects, rules, false_alarms)

    def fitting(
        self,
        images: str,
        *,
        progress: Progress | None = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
    ) -> Fitting:
        """Put together all that decides a fit, without reading an image.

        Args:
            images: fingerprint of those that it is for; a checkpoint of others is refused.
            progress: as for :meth:`fit`; so are the others.
            checkpoint: folder for checkpoints.
            resume: go on from that folder.

        Raises:
            TwinspectError: wrong settings, or a teacher that cannot be had.
        """
        return Fitting(
            self.method_name,
            self.config(),
            self._create_teacher(),
            self._trainer(),
            self._pipeline(),
            images,
            progress,
            Path(checkpoint) if checkpoint else None,
            resume,
            Tiling.of(self.tile, self.overlap),
            budget=Budget.of(self.minutes),
        )

    def _trainer(self) -> Trainer:
        others = self.devices, self.nodes, self.strategy, Augmentation.of(self.augment, self.seed)
        return Trainer(
            self.seed, self.device, self.precision, self._threads(), self.cache_mb, self.bits, *others
        )

    def split(self, data: DataSource) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
        """Say which images :meth:`fit` would train on and which it would hold out, without reading any.

        Raises:
            TwinspectError: as :meth:`fit` does for the same data.
        """
        return self._split(open_data(data, split="train"))[1:]

    def _kind(self, data: DataSet) -> Kind:
        good = [sample for sample in data.split("train") if sample.is_good]
        has_own = any(sample.is_good for sample in data.split("calibration"))
        shared = 0 if has_own else count_parts(good)
        below = method_class(self.method_name).Config.CROSS_CONFORMAL_BELOW
        return choose_kind(self.calibration, shared, below)

    def _split(self, data: DataSet) -> tuple[Kind, tuple[Sample, ...], tuple[Sample, ...]]:
        kind = self._kind(data)
        good = tuple(sample for sample in data.split("train") if sample.is_good)
        own = tuple(sample for sample in data.split("calibration") if sample.is_good)
        if not good:
            raise DataError(
                f"{data.name}: no good images to train on; see what would be read with: twinspect doctor DATA"
            )
        with adding_note(parts_note(own or good)):
            return kind, *share_images(kind, good, own, self.false_alarm_rate, self.seed)

    # Describing ---------------------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """Say which teacher, settings and seed it has, exactly enough to make it again."""
        return describe_model({"method": self.method_name, "seed": self.seed, **self.model_.record()})

    def _settings_record(self) -> dict[str, Any]:
        """Say all that :meth:`from_record` needs to build its networks again; what was chosen for it is kept."""
        chosen = {**self.default_.settings, **self.get_params(), "method": self.method_name}
        if (self.epochs, self.length, self.minutes) != (None, None, None):
            chosen["steps"] = None
        if self.teacher in (None, AUTO_TEACHER) and self.weights is None:
            chosen["teacher"] = self.model_.method.teacher.name
        parameters = {name: to_json_value(value) for name, value in chosen.items()}
        return {"seed": self.seed, "parameters": parameters, **self.model_.record()}

    @classmethod
    def from_record(cls, record: dict[str, Any], *, device: str = "auto") -> Detector:
        """Build what :meth:`to_record` described, without any weights.

        Args:
            record: plain JSON values.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        """
        detector = cls(**{**record["parameters"], "method": record["method"], "device": device})
        tiling = Tiling(**record["tiling"]) if "tiling" in record else None
        detector.model_ = tiled(Model.from_record(record["method"], record), tiling)
        detector._restore_fitted_state(record)
        return detector
