"""The training loop: a method's stages on good images, resumable to the same weights, in one process or more."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from twinspect.errors import TrainingError
from twinspect.training.batch_plan import batch_plan, choose_held_out, mix_seeds
from twinspect.training.batches import TrainingImages
from twinspect.training.budget import StepPace
from twinspect.training.checkpoint import BestState, Checkpoint, History, State
from twinspect.training.interruption import Interruption, interruptible
from twinspect.training.optimizer_steps import OptimizerSteps
from twinspect.training.sync_batchnorm import synchronise_batchnorm
from twinspect.utils.allocator import keep_freed_memory
from twinspect.utils.devices import choose_device, choose_precision
from twinspect.utils.distributed import SINGLE_PROCESS, ProcessGroup, launch
from twinspect.utils.even_sampling import evenly_spaced
from twinspect.utils.progress import NoProgress, Progress
from twinspect.utils.random_state import unchanged_random_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lightning_fabric import Fabric
    from torch import Tensor
    from torch.optim import Optimizer

    from twinspect.data.samples import Sample
    from twinspect.methods.base import Batch, Stage
    from twinspect.model.tiling import Tiling
    from twinspect.model.whole_image import Model
    from twinspect.regions.scope import Scope
    from twinspect.training.augmentation import Augmentation
    from twinspect.training.budget import Budget, Pace

SECONDS_BETWEEN_CHECKPOINTS = 30.0
VALIDATION_IMAGES = 32
"""Minimum of images in a validation with synthetic anomalies, each with anomalies of its own."""
VALIDATION_DRAWS = 2**40
"""Number of their first draw, which a training never reaches."""


@dataclass(frozen=True)
class Trainer:
    """How to train, whatever the method.

    Attributes:
        seed: determines the order of the images and everything random in the networks.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16`` (mixed: weights stay fp32).
        workers: threads that read images.
        cache_mb: memory for prepared images and teacher features, in MiB; what does not fit is computed again.
        bits: significant bits of 16-bit files, see :func:`twinspect.images.reading.read_rgb`.
        devices: processes on each machine, each with a device of its own.
        nodes: machines.
        strategy: how they work together, see :data:`twinspect.utils.distributed.STRATEGIES`.
        augmentation: what changes in further copies of the images; ``None`` for the images alone.

    However many processes there are, a step uses the same batch, of which each process takes a part.
    """

    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    workers: int = 2
    cache_mb: int = 2048
    bits: int | None = None
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    augmentation: Augmentation | None = None

    @cached_property
    def processes(self) -> ProcessGroup:
        """The processes that train, started or joined at the first access; a ``ConfigError`` if they cannot be."""
        device = choose_device(self.device)
        precision = choose_precision(self.precision, device)
        return launch(device, precision, devices=self.devices, nodes=self.nodes, strategy=self.strategy)

    @property
    def torch_device(self) -> torch.device:
        """The device of this process."""
        fabric = self.processes.fabric
        return fabric.device if fabric and self.devices * self.nodes > 1 else choose_device(self.device)

    def read(
        self,
        model: Model,
        samples: Sequence[Sample],
        *,
        tiling: Tiling | None = None,
        scope: Scope | None = None,
        progress: Progress | None = None,
        prepared: dict[str, Tensor] | None = None,
    ) -> TrainingImages:
        """Read the images to train on, and compute what the teacher sees in them, as far as memory allows.

        Args:
            model: prepares the images.
            samples: good images.
            tiling: train on tiles of the images; ``None`` for whole images.
            scope: where to look; ``None`` for whole images.
            progress: informed about every image.
            prepared: inputs by name that were read before; they are taken out.
        """
        images = TrainingImages(
            model,
            samples,
            self.torch_device,
            workers=self.workers,
            bits=self.bits,
            tiling=tiling,
            scope=scope,
            processes=self.processes,
            prepared=prepared,
            augmentation=self.augmentation,
        )
        images.fill_cache(self.cache_mb * 2**20, self._reporter(progress))
        return images

    def fit(
        self,
        model: Model,
        images: TrainingImages,
        *,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
        budget: Budget | None = None,
        stages: Sequence[Stage] = (),
    ) -> History:
        """Train a model in place, from its checkpoint if there is one.

        Args:
            model: its trained modules are changed, but not its teacher.
            images: good images, see :meth:`read`.
            progress: informed about every step.
            checkpoint: read at the start; written regularly, at the end and when interrupted.
            budget: time that decides how many steps there are; ``None`` for the method's own lengths.
            stages: of the model's method; none for those of a fit.

        Returns:
            The loss of every step and the validation curves; the same in all processes.

        Raises:
            TrainingError: a loss that is not finite, or a checkpoint that does not fit.
            KeyboardInterrupt: Ctrl-C or SIGTERM, after the current step and its checkpoint.
        """
        reporter = self._reporter(progress)
        with keep_freed_memory(), interruptible() as interruption:
            how = reporter, checkpoint, budget, interruption, tuple(stages) or model.method.stages()
            return _Run(self.processes, model, images, self.seed, *how).all_stages()

    def _reporter(self, progress: Progress | None) -> Progress:
        return progress if progress and self.processes.is_first else NoProgress()


@dataclass
class _Run:
    """One call of :meth:`Trainer.fit`."""

    processes: ProcessGroup
    model: Model
    images: TrainingImages
    seed: int
    progress: Progress
    checkpoint: Checkpoint | None
    budget: Budget | None
    interruption: Interruption
    stages: Sequence[Stage]
    history: History = field(default_factory=History)
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def _fabric(self) -> Fabric:
        assert self.processes.fabric is not None  # noqa: S101 - launched before training
        return self.processes.fabric

    def all_stages(self) -> History:
        """Run every stage, skipping those that the checkpoint has finished."""
        state = self._read_checkpoint()
        if self.budget:
            self.budget.start(state)
        with unchanged_random_state(self.images.device):
            for index, stage in enumerate(self.stages):
                if state is None or index >= state.stage:
                    run = self._run_stage if stage.gather is None else self._gather
                    run(index, stage, state if state and index == state.stage else None)
        self.model.eval()
        return self.history

    def _read_checkpoint(self) -> State | None:
        """Read the checkpoint, which must be the same for all processes."""
        state = self.checkpoint.read() if self.checkpoint else None
        position = torch.tensor([state.stage, state.step] if state else [-1, -1])
        if (self.processes.gather(position) != position).any():
            raise TrainingError(
                "the processes see different checkpoints; put --out where all machines see the same files, "
                "or start anew: --restart"
            )
        return state

    def _gather(self, index: int, stage: Stage, state: State | None) -> None:
        """Run a stage that gathers: from the checkpoint if it was over there, else from its start.

        Every process goes over all images with the same random numbers, and stores the same.
        """
        assert stage.gather is not None  # noqa: S101 - the stage gathers
        torch.manual_seed(mix_seeds(self.seed, index))
        train, held_out = self._split(stage)
        total, best = stage.total_steps(len(train)), BestState(())
        if state:
            self._restore(state, None, best)
        self.progress.start(stage.name, total, state.step if state else 0)
        if state is None:
            self.model.eval()
            with torch.no_grad():
                stage.gather(self._counted(self._whole(stage, train)))
            self._save_if_due(index, StepPace(total, total), None, best)
        self._measure(stage, held_out)
        self.progress.finish()

    def _counted(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Pass batches on between interruptions, and count them."""
        for batch in self._with_shared_errors(batches):
            if any(self.processes.any(self.interruption.requested)):
                raise KeyboardInterrupt
            yield batch
            self.progress.advance()

    def _run_stage(self, index: int, stage: Stage, state: State | None) -> None:
        with (
            synchronise_batchnorm(stage.trained, self.images.device.type)
            if self.processes.count > 1
            else nullcontext()
        ):
            self._train(index, stage, state)

    def _train(self, index: int, stage: Stage, state: State | None) -> None:
        # Processes must draw different random numbers, such as noise.
        torch.manual_seed(
            mix_seeds(self.seed, index, *([self.processes.rank] if self.processes.rank else []))
        )
        steps = OptimizerSteps(self.processes, stage)
        train, held_out = self._split(stage)
        validation = self._validation_batches(stage, held_out or evenly_spaced(train, VALIDATION_IMAGES))
        best = BestState(stage.trained)
        if state:
            self._restore(state, steps.optimizer, best)
        pace = self._pace(index, train, held_out if stage.measure else [], state)
        losses = self.history.losses.setdefault(stage.name, [])
        self._set_modes(stage)
        pace.begin(self.progress, stage.name)
        for next_batch, weight in self._local_batches(stage, train, index, pace):
            batch = next_batch._replace(done=pace.done)
            losses.append(steps.make(batch, weight, len(losses) + 1))
            if pace.advance(self.progress, losses[-1]) and validation:
                self._validate(stage, validation, best)
            self._save_if_due(index, pace, steps.optimizer, best)
            if pace.is_over:
                break
        best.restore()
        self._measure(stage, held_out)
        self.progress.finish()

    def _pace(self, index: int, train: list[int], measured: list[int], state: State | None) -> Pace:
        """Say how far a stage is: by its steps, or by its share of the time."""
        stage, *rest = (each for each in self.stages[index:] if each.gather is None)
        if self.budget is None or not stage.timed:
            return StepPace(stage.total_steps(len(train)), state.step if state else 0)
        lengths = [each.total_steps(len(train)) for each in (stage, *rest) if each.timed]
        self.model.eval()
        images = len(measured) * len(self.images.by_image) / len(self.images)
        return self.budget.pace(lengths, state, images, self.processes.mean)

    def _split(self, stage: Stage) -> tuple[list[int], list[int]]:
        """Return the numbers of a stage's training images, and of those held out if it validates or measures.

        All tiles of an image are held out or none, because neighbouring tiles share pixels.
        """
        numbers = list(range(len(self.images)))
        if stage.validate is None and stage.measure is None:
            return numbers, []
        tiles = {image[0]: image for image in self.images.by_image}
        held_out = sorted(
            number
            for group in self.images.by_category(list(tiles))
            for index in choose_held_out(len(group), self.seed, stage.held_out)
            for number in tiles[group[index]]
        )
        train = sorted(set(numbers) - set(held_out))
        self.history.held_out[stage.name] = len(tiles.keys() & set(held_out)) if train else 0
        return train or held_out, held_out

    def _whole(self, stage: Stage, numbers: list[int]) -> Iterator[Batch]:
        """Yield images in their order, without anomalies."""
        return self.images.batches(_chunks(numbers, stage.batch_size), pixels=stage.pixels)

    def _validation_batches(self, stage: Stage, images: list[int]) -> list[Batch]:
        """Make the batches that validate a stage, if it has a validation, from images that it does not train on.

        Few images are used several times, each time with other synthetic anomalies, if the stage has them; these are
        never trained on, not even where all images are.
        """
        if stage.validate is None:
            return []
        count = max(VALIDATION_IMAGES, len(images)) if stage.synthesizer else len(images)
        numbers = [images[index % len(images)] for index in range(count)]
        return list(self._make_batches(stage, _chunks(numbers, stage.batch_size), VALIDATION_DRAWS))

    @torch.no_grad()
    def _measure(self, stage: Stage, held_out: list[int]) -> None:
        """Let a stage measure images that it was not trained on, at full precision as in scoring."""
        if stage.measure is not None:
            self.model.eval()
            stage.measure(list(self._whole(stage, held_out)))

    def _set_modes(self, stage: Stage) -> None:
        """Put the trained modules into training mode and all others into evaluation mode."""
        self.model.eval()
        for module in stage.trained:
            module.train()

    def _local_batches(
        self, stage: Stage, train: list[int], index: int, pace: Pace
    ) -> Iterator[tuple[Batch, float]]:
        """Yield this process's part of every remaining batch, with the weight of its loss."""
        groups, processes = self.images.by_category(train), self.processes.count
        for done, end in pace.segments():
            plan = list(batch_plan(stage, groups, self.seed, index, done, end, processes=processes))
            yield from self._local_parts(stage, plan, done)

    def _local_parts(self, stage: Stage, plan: list[list[int]], done: int) -> Iterator[tuple[Batch, float]]:
        smallest = min(map(len, plan), default=self.processes.count)
        if smallest < self.processes.count:
            raise TrainingError(
                f"a batch of {smallest} images cannot be shared by {self.processes.count} processes; use as many or "
                "fewer --devices, or a larger --batch-size"
            )
        weights = [self.processes.local_weight(len(numbers)) for numbers in plan]
        batches = self._make_batches(stage, plan, done * stage.batch_size, self.processes)
        return zip(self._with_shared_errors(batches), weights, strict=True)

    def _make_batches(
        self, stage: Stage, plan: list[list[int]], first: int, processes: ProcessGroup = SINGLE_PROCESS
    ) -> Iterator[Batch]:
        """Make this process's part of each batch of image numbers, with synthetic anomalies if the stage has them."""
        parts = [processes.local_slice(len(numbers)) for numbers in plan]
        local = [numbers[part] for numbers, part in zip(plan, parts, strict=True)]
        if stage.synthesizer is None:
            return self.images.batches(local, pixels=stage.pixels)
        first += self.seed << 48  # far more than one training draws
        draws = [first + number * stage.batch_size + part.start for number, part in enumerate(parts)]
        plan_of_draws = zip(draws, local, strict=True)
        return self.images.synthetic_batches(plan_of_draws, stage.synthesizer, clean=stage.clean_targets)

    def _with_shared_errors(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Pass batches on; if one process cannot make its own, all processes stop."""
        while True:
            with self.processes.propagate_errors():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @torch.no_grad()
    def _validate(self, stage: Stage, batches: list[Batch], best: BestState) -> None:
        """Compute the stage's metrics, averaged over the held-out batches, and keep the state if it is the best."""
        assert stage.validate is not None  # noqa: S101 - there are batches only with a validation
        self.model.eval()
        with self._fabric.autocast():
            metrics = [stage.validate(batch) for batch in batches]
        for name in metrics[0]:
            local = sum(values[name] for values in metrics) / len(metrics)
            # All processes validate on the same batches; their decisions must not differ by rounding.
            mean = self.processes.sum(torch.tensor(local, dtype=torch.float64)).item() / self.processes.count
            self.history.curves.setdefault(f"{stage.name}: {name}", []).append(mean)
        best.keep_if_better(self.history.curves[f"{stage.name}: loss"][-1])
        self._set_modes(stage)

    def _save_if_due(self, stage: int, pace: Pace, optimizer: Optimizer | None, best: BestState) -> None:
        due = time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS
        stop, due = self.processes.any(self.interruption.requested, due and self.processes.is_first)
        if self.checkpoint and (stop or due or pace.is_over):
            state = State.take(stage, pace.step, self.history, self.model, optimizer, best, self.processes)
            if self.budget:
                state = replace(state, done=pace.done, elapsed=self.budget.elapsed())
            with self.processes.propagate_errors():
                if self.processes.is_first:
                    self.checkpoint.write(state)
            self.saved_at = time.monotonic()
        if stop:
            raise KeyboardInterrupt

    def _restore(self, state: State, optimizer: Optimizer | None, best: BestState) -> None:
        state.restore(self.model, optimizer, best, self.processes)
        self.history.losses.update({name: list(values) for name, values in state.history.losses.items()})
        self.history.curves.update({name: list(values) for name, values in state.history.curves.items()})
        self.history.held_out.update(state.history.held_out)


def _chunks(numbers: list[int], size: int) -> list[list[int]]:
    """Cut a list into chunks, of which the last may be smaller."""
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]
