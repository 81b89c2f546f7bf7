"""The one training loop: a method's stages on good images; resumable to the same weights, by one process or more."""

from __future__ import annotations

import math
import signal
import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from twinspect.errors import TrainingError
from twinspect.methods.base import a_tenth
from twinspect.training.batches import TrainingImages
from twinspect.training.checkpoint import BestState, Checkpoint, History, State
from twinspect.training.sync_batchnorm import synchronise_batchnorm
from twinspect.utils.allocator import keep_freed_memory
from twinspect.utils.devices import PRECISIONS, choose_device, choose_precision
from twinspect.utils.distributed import SINGLE_PROCESS, ProcessGroup, launch
from twinspect.utils.progress import NoProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from lightning_fabric import Fabric
    from torch import Tensor
    from torch.optim import Optimizer

    from twinspect.data.samples import Sample
    from twinspect.methods.base import Batch, Stage
    from twinspect.model.tiling import Tiling
    from twinspect.model.whole_image import Model

SECONDS_BETWEEN_CHECKPOINTS = 30.0
VALIDATIONS = 10
"""How often a stage that has a measure is judged on held-out images."""
VALIDATION_IMAGES = 32
"""How many images judge it at least, each with anomalies of its own."""
VALIDATION_DRAWS = 2**40
"""Number of their first draw; a training never gets there."""


@dataclass(frozen=True)
class Trainer:
    """How to train, whatever the method.

    Attributes:
        seed: decides the order of the images and everything random in the networks.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``fp32`` or ``bf16`` (mixed: weights stay fp32).
        workers: threads that read images.
        cache_mb: memory for prepared images and teacher features, in MiB; what does not fit is computed anew.
        bits: significant bits of 16-bit files, see :func:`twinspect.images.reading.read_rgb`.
        devices: processes on each machine, each with a device of its own.
        nodes: machines.
        strategy: how they work together, see :data:`twinspect.utils.distributed.STRATEGIES`.

    However many processes there are, a step learns from the same batch: each takes its part of it.
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

    @cached_property
    def processes(self) -> ProcessGroup:
        """The processes that train, started or joined when first asked for.

        Raises:
            ConfigError: they cannot be had.
        """
        device = choose_device(self.device)
        precision = PRECISIONS[choose_precision(self.precision, device)]
        return launch(device, precision, devices=self.devices, nodes=self.nodes, strategy=self.strategy)

    @property
    def place(self) -> torch.device:
        """The device of this process."""
        fabric = self.processes.fabric
        return fabric.device if fabric and self.devices * self.nodes > 1 else choose_device(self.device)

    def fit(
        self,
        model: Model,
        samples: Sequence[Sample],
        *,
        tiling: Tiling | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> History:
        """Train a model in place, from where its checkpoint stands if there is one.

        Args:
            model: its trained modules are changed, its teacher is not.
            samples: good images.
            tiling: learn from their tiles; ``None``: from whole images.
            progress: told about every step.
            checkpoint: read at the start and written now and then, at the end and when interrupted.

        Returns:
            The loss of every step, and what was measured on held-out images; the same in all processes.

        Raises:
            TrainingError: a loss that is no number, or a checkpoint that does not fit.
            KeyboardInterrupt: Ctrl-C or SIGTERM, after the step at hand and its checkpoint.
        """
        processes = self.processes
        watched = progress if progress and processes.is_first else NoProgress()
        images = TrainingImages(
            model,
            samples,
            self.place,
            workers=self.workers,
            bits=self.bits,
            tiling=tiling,
            processes=processes,
        )
        images.keep(self.cache_mb * 2**20, watched)
        with keep_freed_memory(), _interruptible() as interruption:
            run = _Run(processes, model, images, self.seed, watched, checkpoint, interruption)
            return run.all_stages()


@dataclass
class _Interruption:
    """Whether a signal asked the loop to stop."""

    asked: bool = False


class _StageLoss(nn.Module):
    """A stage's loss as a module, which is what gradients can be averaged over processes of."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.trained = nn.ModuleList(stage.trained)
        self._loss = stage.loss

    def forward(self, batch: Batch) -> Tensor:
        """Compute the loss, one number."""
        return self._loss(batch)


@dataclass
class _Run:
    """One call of :meth:`Trainer.fit`."""

    processes: ProcessGroup
    model: Model
    images: TrainingImages
    seed: int
    progress: Progress
    checkpoint: Checkpoint | None
    interruption: _Interruption
    history: History = field(default_factory=History)
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def _fabric(self) -> Fabric:
        assert self.processes.fabric is not None  # noqa: S101 - what trains was launched
        return self.processes.fabric

    def all_stages(self) -> History:
        """Run every stage, skipping what the checkpoint has behind it."""
        state = self._found()
        with torch.random.fork_rng(devices=[]):
            for index, stage in enumerate(self.model.method.stages()):
                if state is None or index >= state.stage:
                    self._stage(index, stage, state if state and index == state.stage else None)
        self.model.eval()
        return self.history

    def _found(self) -> State | None:
        """Read the checkpoint, of which all processes must see the same."""
        state = self.checkpoint.read() if self.checkpoint else None
        stands = torch.tensor([state.stage, state.step] if state else [-1, -1])
        if (self.processes.gather(stands) != stands).any():
            raise TrainingError(
                "the processes see different checkpoints; put --out where all machines see the same files, "
                "or start anew: --restart"
            )
        return state

    def _stage(self, index: int, stage: Stage, state: State | None) -> None:
        with (
            synchronise_batchnorm(stage.trained, self.images.device.type)
            if self.processes.count > 1
            else nullcontext()
        ):
            self._train(index, stage, state)

    def _train(self, index: int, stage: Stage, state: State | None) -> None:
        # What is drawn in one process, such as noise, must not be drawn again in another.
        torch.manual_seed(
            _mix_seeds(self.seed, index, *([self.processes.rank] if self.processes.rank else []))
        )
        optimizer = cast("Optimizer", self._fabric.setup_optimizers(stage.optimizer(stage.parameters())))
        lesson = self._fabric.setup_module(_StageLoss(stage), move_to_device=False)
        rates = [group["lr"] for group in optimizer.param_groups]
        shown, held = self._divide(stage)
        judges = self._judges(stage, held)
        total = stage.total_steps(len(shown))
        best = BestState(stage.trained)
        done = self._restore(state, optimizer, best) if state else 0
        losses = self.history.losses.setdefault(stage.name, [])
        self._teach(stage)
        self.progress.start(stage.name, total, done)
        for made, weight in self._batches(stage, shown, index, done, total):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * stage.rate(len(losses) / total)
            batch = made._replace(done=len(losses) / total)
            losses.append(self._step(stage, lesson, batch, weight, optimizer, len(losses)))
            self.progress.advance(losses[-1])
            if judges and len(losses) % max(1, total // VALIDATIONS) == 0:
                self._validate(stage, judges, best)
            self._save_if_due(index, len(losses), total, optimizer, best)
        best.restore()
        self._measure(stage, held)
        self.progress.finish()

    def _divide(self, stage: Stage) -> tuple[list[int], list[int]]:
        """Say which images a stage learns from, and which are held out for its measures, if it has any.

        Of an image that is cut into tiles all are held out or none: neighbours share pixels.
        """
        everything = list(range(len(self.images)))
        if stage.validate is None and stage.measure is None:
            return everything, []
        whole = {numbers[0]: numbers for numbers in self.images.by_image}
        held = sorted(
            number
            for group in self.images.by_category(list(whole))
            for place in choose_held_out(len(group), self.seed, stage.held_out)
            for number in whole[group[place]]
        )
        return sorted(set(everything) - set(held)) or held, held

    def _judges(self, stage: Stage, held: list[int]) -> list[Batch]:
        """Make the batches that judge a stage now and then, if it wants any."""
        if stage.validate is None:
            return []
        # Of few images each one judges by several drawn anomalies.
        judges = [held[number % len(held)] for number in range(max(VALIDATION_IMAGES, len(held)))]
        return list(self._made(stage, _chunks(judges, stage.batch_size), VALIDATION_DRAWS))

    @torch.no_grad()
    def _measure(self, stage: Stage, held: list[int]) -> None:
        """Let a stage measure what it wants of images it did not learn from, at full precision as in scoring."""
        if stage.measure is not None:
            self.model.eval()
            stage.measure(list(self.images.batches(_chunks(held, stage.batch_size))))

    def _teach(self, stage: Stage) -> None:
        """Put what learns into training mode and all else into evaluation mode."""
        self.model.eval()
        for module in stage.trained:
            module.train()

    def _batches(
        self, stage: Stage, shown: list[int], index: int, done: int, total: int
    ) -> Iterator[tuple[Batch, float]]:
        """Yield this process's parts of all batches that are left, each with what it counts."""
        groups = self.images.by_category(shown)
        plan = list(_batch_plan(stage, groups, self.seed, index, done, total))
        smallest = min(map(len, plan), default=self.processes.count)
        if smallest < self.processes.count:
            raise TrainingError(
                f"a batch of {smallest} images cannot be shared by {self.processes.count} processes; use as many or "
                "fewer --devices, or a larger --batch-size"
            )
        weights = [self.processes.local_weight(len(numbers)) for numbers in plan]
        return zip(
            self._agreed(self._made(stage, plan, done * stage.batch_size, self.processes)),
            weights,
            strict=True,
        )

    def _made(
        self, stage: Stage, plan: list[list[int]], first: int, processes: ProcessGroup = SINGLE_PROCESS
    ) -> Iterator[Batch]:
        """Make the part of each batch of image numbers, with anomalies drawn by their running number if wanted."""
        parts = [processes.local_slice(len(numbers)) for numbers in plan]
        mine = [numbers[part] for numbers, part in zip(plan, parts, strict=True)]
        if stage.synthesizer is None:
            return self.images.batches(mine)
        first += self.seed << 48  # far beyond what one training draws
        draws = [first + number * stage.batch_size + part.start for number, part in enumerate(parts)]
        return self.images.synthetic(zip(draws, mine, strict=True), stage.synthesizer)

    def _agreed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Pass batches on while every process can make its own."""
        while True:
            with self.processes.propagate_errors():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _step(
        self, stage: Stage, lesson: nn.Module, batch: Batch, weight: float, optimizer: Optimizer, step: int
    ) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = lesson(batch) * weight
        self._fabric.backward(loss)
        if stage.clip:
            torch.nn.utils.clip_grad_norm_(stage.parameters(), stage.clip)
        optimizer.step()
        value = self.processes.sum(loss.detach()).item() / self.processes.count
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} at step {step + 1} of stage {stage.name!r}; "
                "try a smaller --learning_rate, or --precision fp32"
            )
        return value

    @torch.no_grad()
    def _validate(self, stage: Stage, judges: list[Batch], best: BestState) -> None:
        """Measure the stage's figures, averaged over the held-out batches, and keep the state if it is the best."""
        assert stage.validate is not None  # noqa: S101 - there are batches only where there is a measure
        self.model.eval()
        with self._fabric.autocast():
            figures = [stage.validate(batch) for batch in judges]
        for name in figures[0]:
            own = sum(each[name] for each in figures) / len(figures)
            # All judge the same batches; what they go by must not differ in the last bit.
            mean = self.processes.sum(torch.tensor(own, dtype=torch.float64)).item() / self.processes.count
            self.history.curves.setdefault(f"{stage.name}: {name}", []).append(mean)
        best.keep_if_better(self.history.curves[f"{stage.name}: loss"][-1])
        self._teach(stage)

    def _save_if_due(self, stage: int, step: int, total: int, optimizer: Optimizer, best: BestState) -> None:
        due = time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS
        stop, due = self.processes.any(self.interruption.asked, due and self.processes.is_first)
        if self.checkpoint and (stop or due or step == total):
            state = State.take(stage, step, self.history, self.model, optimizer, best, self.processes)
            with self.processes.propagate_errors():
                if self.processes.is_first:
                    self.checkpoint.write(state)
            self.saved_at = time.monotonic()
        if stop:
            raise KeyboardInterrupt

    def _restore(self, state: State, optimizer: Optimizer, best: BestState) -> int:
        state.restore(self.model, optimizer, best, self.processes.rank)
        self.history.losses.update({name: list(values) for name, values in state.history.losses.items()})
        self.history.curves.update({name: list(values) for name, values in state.history.curves.items()})
        return state.step


def choose_held_out(images: int, seed: int, count: Callable[[int], int] = a_tenth) -> list[int]:
    """Choose the training images that a stage is measured by.

    A single image is learnt from and judged by at once; there is no other.

    Args:
        images: how many training images there are.
        seed: of the choice.
        count: how many of so many are held out.
    """
    generator = torch.Generator().manual_seed(_mix_seeds(seed, images))
    return sorted(torch.randperm(images, generator=generator)[: count(images)].tolist())


def _batch_plan(
    stage: Stage, groups: Sequence[list[int]], seed: int, index: int, done: int, total: int
) -> Iterator[list[int]]:
    """Yield the image numbers of every step that is left, epoch by epoch."""
    an_epoch = stage.steps_per_epoch(sum(map(len, groups)))
    order: list[int] = []
    for step in range(done, total):
        epoch, place = divmod(step, an_epoch)
        if place == 0 or not order:
            order = _epoch_order(groups, torch.Generator().manual_seed(_mix_seeds(seed, index, epoch)))
        yield order[place * stage.batch_size : (place + 1) * stage.batch_size]


def _chunks(numbers: list[int], size: int) -> list[list[int]]:
    """Cut a list into batches, the last of them perhaps smaller."""
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def _epoch_order(groups: Sequence[list[int]], generator: torch.Generator) -> list[int]:
    """Order the images of an epoch: a permutation; of several categories, as many of each, in turns.

    An epoch shows as many images as there are. A small category is shown over and over, of a large one another part
    is shown in each epoch, so that no product is learnt at the cost of another.
    """
    images = sum(map(len, groups))
    each = -(-images // len(groups))
    columns = []
    for group in groups:
        rounds = -(-each // len(group))
        drawn = [torch.randperm(len(group), generator=generator) for _ in range(rounds)]
        columns.append([group[place] for place in torch.cat(drawn)[:each].tolist()])
    return [number for row in zip(*columns, strict=True) for number in row][:images]


def _mix_seeds(*numbers: int) -> int:
    """Combine numbers into a seed that differs wherever one of them does."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 1_000_003 + number + 1) % 2**63
    return mixed


@contextmanager
def _interruptible() -> Iterator[_Interruption]:
    """Turn Ctrl-C and SIGTERM into a wish that the loop grants between two steps; the second one is immediate."""
    interruption = _Interruption()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may watch signals
        yield interruption
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        if interruption.asked:
            raise KeyboardInterrupt
        interruption.asked = True

    before: dict[int, Any] = {}
    for watched in (signal.SIGINT, signal.SIGTERM):
        before[watched] = signal.signal(watched, ask)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
