"""Fitting: build a method on its teacher, train it, and score the good images that were held out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from twinspect.calibration.good_scores import GoodScores
from twinspect.calibration.hold_out import FOLDS
from twinspect.data.splits import fold_of
from twinspect.inference.pipeline import SCORE_BATCH, ScoringPipeline
from twinspect.inference.torch_engine import TorchEngine
from twinspect.model.tiled import tiled
from twinspect.model.whole_image import Model
from twinspect.training.checkpoint import Checkpoint, History

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twinspect.data.samples import Sample
    from twinspect.methods.config import MethodConfig
    from twinspect.model.tiling import Tiling
    from twinspect.teachers.base import Teacher
    from twinspect.training.trainer import Trainer
    from twinspect.utils.progress import Progress


@dataclass(frozen=True)
class Fitting:
    """All that decides a fit besides the images.

    Attributes:
        method: its name.
        config: its settings.
        teacher: shared by all models that are fitted.
        trainer: the loop.
        scorer: scores what is held out.
        fingerprint: of all images of the fit, so that a checkpoint of others is refused.
        progress: told about every step.
        folder: where checkpoints go; ``None`` for none.
        resume: go on from them instead of starting anew.
        tiling: learn from tiles of the images and score by them; ``None``: by whole images.
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

    def split(self, train: Sequence[Sample], held: Sequence[Sample]) -> tuple[Model, History, GoodScores]:
        """Train on some images and score the others."""
        model, processes = self._untrained(), self.trainer.processes
        with processes.propagate_errors():
            self.scorer.check_readable(self.engine(model), processes.local_items(held, SCORE_BATCH))
        history = self._train("model", model, train)
        return model, history, self._good(model, held)

    def cross(self, samples: Sequence[Sample]) -> tuple[Model, History, GoodScores]:
        """Train on all images, and score each by a model that was trained without its fold."""
        folds = fold_of(samples, FOLDS, self.trainer.seed)
        good = GoodScores()
        for fold in range(FOLDS):
            model = self._untrained()
            kept = [sample for sample, own in zip(samples, folds, strict=True) if own != fold]
            self._train(f"fold-{fold}", model, kept)
            left_out = [sample for sample, own in zip(samples, folds, strict=True) if own == fold]
            good.extend(self._good(model, left_out))
        return *self.whole(samples), good

    def whole(self, samples: Sequence[Sample]) -> tuple[Model, History]:
        """Train on all images and hold none out; there are no scores to set a threshold by."""
        model = self._untrained()
        return model, self._train("model", model, samples)

    def engine(self, model: Model) -> TorchEngine:
        """Put a model where it is trained and scores, and let it look at tiles if it is to."""
        return TorchEngine(tiled(model, self.tiling), str(self.trainer.place))

    def identity(self) -> dict[str, Any]:
        """Say in plain JSON values what decides the weights besides the images."""
        return {
            "method": self.method,
            "config": {**asdict(self.config), **(asdict(self.tiling) if self.tiling else {})},
            "teacher": self.teacher.spec(),
            "trainer": {name: getattr(self.trainer, name) for name in ("seed", "precision", "bits")},
        }

    def _good(self, model: Model, held: Sequence[Sample]) -> GoodScores:
        """Score good images: each process whole batches of them, as if one scored all; and all know all scores."""
        processes, places = self.trainer.processes, range(len(held))
        mine = processes.local_items(places, SCORE_BATCH)
        with processes.propagate_errors():
            own = self.scorer.score_good(self.engine(model), [held[place] for place in mine])
        numbers = torch.zeros(len(held), GoodScores.NUMBERS, dtype=torch.float64)
        numbers[mine] = torch.from_numpy(own.to_numbers())
        return GoodScores.of(held, processes.sum(numbers).numpy())

    def _untrained(self) -> Model:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.trainer.seed)
            model = Model.build(self.method, self.config, self.teacher)
        if self.tiling:
            model.method.check_tiles()
        return model

    def _train(self, name: str, model: Model, samples: Sequence[Sample]) -> History:
        checkpoint = self._checkpoint(name, samples)
        return self.trainer.fit(
            model, samples, tiling=self.tiling, progress=self.progress, checkpoint=checkpoint
        )

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
