"""Fitting: build a method on its teacher, train it, and score the held-out good images."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import torch

from twinspect.calibration.good_scores import GoodScores
from twinspect.calibration.hold_out import count_folds
from twinspect.calibration.parts import count_parts
from twinspect.data.splits import fold_of
from twinspect.inference.pipeline import SCORE_BATCH, ScoringPipeline
from twinspect.inference.torch_engine import TorchEngine
from twinspect.model.preprocessing import Preprocessing
from twinspect.model.tiled import tiled
from twinspect.model.whole_image import Model
from twinspect.training.augmentation import COPIES, KINDS, Augmentation
from twinspect.training.budget import with_steps_made
from twinspect.training.checkpoint import Checkpoint, History, learned_state
from twinspect.training.first_reading import FirstReader
from twinspect.utils.random_state import unchanged_random_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from twinspect.calibration.conformal import Kind
    from twinspect.data.samples import Sample
    from twinspect.methods.config import MethodConfig
    from twinspect.model.tiled import TiledModel
    from twinspect.model.tiling import Tiling
    from twinspect.regions.scope import Scope
    from twinspect.teachers.base import Teacher
    from twinspect.training.batches import TrainingImages
    from twinspect.training.budget import Budget
    from twinspect.training.first_reading import FirstReading
    from twinspect.training.start import Start
    from twinspect.training.trainer import Trainer
    from twinspect.utils.progress import Progress


TIMED: Final = 2
"""Held-out images that are scored before the training, to know how long all of them take after it."""
HELD_OUT_COPIES: Final = 8
"""Changed copies of a single good image that set its threshold; none of them is learnt from."""


@dataclass(frozen=True)
class Fitting:
    """All that determines a fit besides the images.

    Attributes:
        method: its name.
        config: its settings.
        teacher: shared by all models that are fitted.
        trainer: the loop.
        scorer: scores the held-out images.
        fingerprint: of all images of the fit; a checkpoint of other images is refused.
        progress: informed about every step.
        folder: of the checkpoints; ``None`` for none.
        resume: continue from them instead of starting anew.
        tiling: train and score on tiles of the images; ``None`` for whole images.
        prepared: inputs that :meth:`read_first` has kept, by name; the training takes them out.
        scope: where the model looks; ``None`` for whole images.
        budget: time for all of it; ``None`` where the lengths of the settings count.
        start: what an update begins with; ``None`` for a fit.
    """

    method: str
    config: MethodConfig
    teacher: Teacher
    trainer: Trainer
    scorer: ScoringPipeline
    fingerprint: str
    progress: Progress | None = None
    folder: Path | None = None
    resume: bool = False
    tiling: Tiling | None = None
    prepared: dict[str, Tensor] = field(default_factory=dict)
    budget: Budget | None = None
    scope: Scope | None = None
    start: Start | None = None

    @classmethod
    def of_start(
        cls,
        method: str,
        start: Start,
        trainer: Trainer,
        scorer: ScoringPipeline,
        budget: Budget | None,
        progress: Progress | None,
        folder: Path | None,
        resume: bool,
        tiling: Tiling | None,
    ) -> Fitting:
        """Put together an update, with the settings and the teacher of what it begins with."""
        known = start.model.method
        more = "", progress, folder, resume, tiling
        return cls(method, known.config, known.teacher, trainer, scorer, *more, budget=budget, start=start)

    def look_at(self, scope: Scope | None) -> Fitting:
        """Confine the fit to a region of interest; ``None`` for whole images.

        Raises:
            ImageError: the region leaves nothing to look at.
        """
        if scope and scope.fixed and not self.tiling:
            shape = scope.fixed.mask.shape[0], scope.fixed.mask.shape[1]
            Preprocessing.of(self.config, self.teacher).inside(scope.fixed, shape)
        return replace(self, scope=scope, scorer=replace(self.scorer, scope=scope))

    def read_first(self, samples: Sequence[Sample], trained_on: Sequence[Sample]) -> FirstReading:
        """Read all images before the training, to find those that cannot be read.

        Args:
            samples: all images of the fit.
            trained_on: those whose inputs are worth keeping in memory until the training.
        """
        reader = FirstReader(
            Preprocessing.of(self.config, self.teacher),
            self.trainer.workers,
            self.trainer.bits,
            0 if self.tiling else self.trainer.cache_mb * 2**20 // 2,
            self.progress,
            self.trainer.processes,
            self.scope,
        )
        return reader.read(samples, {sample.name for sample in trained_on})

    def fit_calibrated(
        self, kind: Kind, train: Sequence[Sample], held_out: Sequence[Sample]
    ) -> tuple[Model, History, GoodScores]:
        """Train on images, and score good ones for a threshold of that kind."""
        if kind == "cv":
            return self.fit_folds(train)
        return self.fit_alone(train[0]) if kind == "copies" else self.fit_split(train, held_out)

    def fit_alone(self, sample: Sample) -> tuple[Model, History, GoodScores]:
        """Train on a single image, and score it and copies as a camera might give them; the highest score counts."""
        changes = Augmentation(tuple(KINDS), self.trainer.seed)
        copies = [sample, *changes.copies(sample, HELD_OUT_COPIES, first=1 + COPIES)]
        model, history, good = self.fit_split([sample], copies)
        return model, history, good.of_one()

    def fit_split(
        self, train: Sequence[Sample], held_out: Sequence[Sample]
    ) -> tuple[Model, History, GoodScores]:
        """Train on some images and score the others."""
        model = self._build_model()
        history = self._train("model", model, train, self._read(model, train), held_out)
        return model, history, self._score_good_images(model, held_out)

    def starting_without(self, absent: int) -> Fitting:
        """Return the same for an update that has nothing of so many images which were learnt from before."""
        assert self.start is not None  # noqa: S101 - it is an update
        return replace(self, start=replace(self.start, absent=absent))

    def fit_update(
        self, train: Sequence[Sample], held_out: Sequence[Sample], others: Sequence[Sample]
    ) -> tuple[Model, History, GoodScores]:
        """Train what the update begins with, and score held-out images; the budget leaves time for others too."""
        model = self._build_model()
        history = self._train("model", model, train, self._read(model, train), [*held_out, *others])
        return model, history, self._score_good_images(model, held_out)

    def fit_folds(self, samples: Sequence[Sample]) -> tuple[Model, History, GoodScores]:
        """Train on all images, and score each image with a model that was trained without its fold.

        Nothing is trained twice where a model of all images can tell what one without the scored image would say.
        """
        last, good = self._build_model(), GoodScores()
        images = self._read(last, samples)
        # An augmentation's copies of an image would stay when it is left out, and so would others of its part.
        alone = not (self.trainer.augmentation or any(sample.group for sample in samples))
        if alone and (left_out := last.left_out(len(samples))):
            history = self._train("model", last, samples, images)
            return last, history, self._score_good_images(left_out, samples)
        count = count_folds(count_parts(samples))
        folds = fold_of(samples, count, self.trainer.seed)
        for fold in range(count):
            model = self._build_model()
            kept = [image for image, number in enumerate(folds) if number != fold]
            train = [samples[image] for image in kept]
            held_out = [sample for sample, number in zip(samples, folds, strict=True) if number == fold]
            subset = images.subset(kept, model)
            self._train(f"fold-{fold}", model, train, subset, held_out, fits=1 + count - fold)
            good.extend(self._score_good_images(model, held_out))
        return last, self._train("model", last, samples, images), good

    def fit_all(self, samples: Sequence[Sample]) -> tuple[Model, History]:
        """Train on all images and hold none out, so that there are no scores for a threshold."""
        model = self._build_model()
        return model, self._train("model", model, samples, self._read(model, samples))

    def engine(self, model: Model) -> TorchEngine:
        """Make the engine that scores with a model on its device, on tiles if there is a tiling."""
        return TorchEngine(self.scoring_model(model), str(self.trainer.torch_device))

    def scoring_model(self, model: Model) -> Model | TiledModel:
        """Return what scores with a model: itself, or the same on tiles if there is a tiling."""
        return tiled(model, self.tiling)

    def identity(self) -> dict[str, Any]:
        """Return in plain JSON values what determines the weights besides the images."""
        return {
            "method": self.method,
            "config": {
                **asdict(self.config),
                **(asdict(self.tiling) if self.tiling else {}),
                **({"minutes": self.budget.minutes} if self.budget else {}),
                **({"roi": self.scope.digest} if self.scope else {}),
            },
            "teacher": self.teacher.spec(),
            "trainer": {name: getattr(self.trainer, name) for name in ("seed", "precision", "bits")}
            | ({"augmentation": self.trainer.augmentation.kinds} if self.trainer.augmentation else {}),
            **({"start": self.start.identity()} if self.start else {}),
        }

    def _score_good_images(self, model: Model, samples: Sequence[Sample]) -> GoodScores:
        """Score good images in the batches of a single process, shared by all; every process gets all scores."""
        processes = self.trainer.processes
        indices = processes.local_items(range(len(samples)), SCORE_BATCH)
        with processes.propagate_errors():
            good = self.scorer.score_good(self.engine(model), [samples[index] for index in indices])
        numbers = torch.zeros(len(samples), GoodScores.NUMBERS, dtype=torch.float64)
        numbers[indices] = torch.from_numpy(good.to_numbers())
        return GoodScores.from_numbers(samples, processes.sum(numbers).numpy())

    def _build_model(self) -> Model:
        with unchanged_random_state(self.trainer.torch_device):
            torch.manual_seed(self.trainer.seed)
            model = Model.build(self.method, self.config, self.teacher)
        if self.start:
            model.load_state_dict(learned_state(self.start.model), strict=False)
        if self.tiling:
            model.method.check_tiles()
        if self.scope or model.preprocessing.has_padding:  # which is blank
            model.check_region(blank=self.scope is None or self.scope.blank)
        return model

    def _train(
        self,
        name: str,
        model: Model,
        samples: Sequence[Sample],
        images: TrainingImages,
        held_out: Sequence[Sample] = (),
        *,
        fits: int = 1,
    ) -> History:
        """Train a model, one of so many that share what is left of the time, before some images are scored."""
        if self.budget:
            self.budget.share(fits, len(held_out), partial(self._seconds_per_image, model, held_out[:TIMED]))
        history = self.trainer.fit(
            model,
            images,
            progress=self.progress,
            checkpoint=self._checkpoint(name, samples),
            budget=self.budget,
            stages=self.start.stages(model.method, len(samples), len(images)) if self.start else (),
        )
        if self.budget and not self.start:  # an update keeps the lengths of the fit
            model.method.config = with_steps_made(model.method.config, history.losses)
        return history

    def _read(self, model: Model, samples: Sequence[Sample]) -> TrainingImages:
        return self.trainer.read(
            model,
            samples,
            tiling=self.tiling,
            scope=self.scope,
            progress=self.progress,
            prepared=self.prepared,
        )

    def _seconds_per_image(self, model: Model, samples: Sequence[Sample]) -> float:
        """Measure how long one process takes to score an image, as far as it can before the training is over."""
        engine = self.engine(model)
        self._try_to_score(engine, samples[:1])  # the first one prepares the engine
        began = time.monotonic()
        self._try_to_score(engine, samples)
        return (time.monotonic() - began) / len(samples) / self.trainer.processes.count

    def _try_to_score(self, engine: TorchEngine, samples: Sequence[Sample]) -> None:
        with suppress(RuntimeError, IndexError):  # of tensors that a later stage gathers
            for _ in self.scorer.stream_unchecked(engine, samples, maps=True, statistics=True):
                pass

    def _checkpoint(self, name: str, samples: Sequence[Sample]) -> Checkpoint | None:
        if self.folder is None:
            return None
        images = sorted(sample.name for sample in samples)
        key = {**self.identity(), "data": self.fingerprint, "images": images}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        checkpoint = Checkpoint(self.folder / f"{name}.safetensors", digest)
        if not self.resume:
            checkpoint.path.unlink(missing_ok=True)
        return checkpoint
