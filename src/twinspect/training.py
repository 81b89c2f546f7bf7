"""The one training loop: stages of a method, on good images, resumable to the same weights."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor

from twinspect.checkpoint import Checkpoint, State
from twinspect.data.loading import prefetch
from twinspect.devices import choose_device
from twinspect.errors import ConfigError, TrainingError
from twinspect.memory import kept_memory
from twinspect.methods.base import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from lightning_fabric import Fabric
    from torch.optim import Optimizer

    from twinspect.data.samples import Sample
    from twinspect.methods.base import Stage
    from twinspect.model import Model

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}
FILL_CHUNK = 16
"""Images whose teacher features are computed at once; fixed, because batch size changes the last bits."""
SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Progress(Protocol):
    """What the loop tells about itself; the command line draws a bar, a script may do nothing."""

    def start(self, stage: str, total: int, done: int) -> None:
        """A stage of ``total`` steps begins, ``done`` of them already made."""

    def advance(self, loss: float | None = None) -> None:
        """One more step is done; while images are prepared there is no loss."""

    def finish(self) -> None:
        """The stage is over."""


class Silent:
    """Progress that nobody watches."""

    def start(self, stage: str, total: int, done: int) -> None:
        """Ignore."""

    def advance(self, loss: float | None = None) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""


@dataclass(frozen=True)
class Trainer:
    """How to train, whatever the method.

    Attributes:
        seed: decides the order of the images and everything random in the networks.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``fp32`` or ``bf16`` (mixed: weights stay fp32).
        workers: threads that read images.
        cache_mb: memory for prepared images and teacher features, in MiB; what does not fit is computed anew.
        bits: significant bits of 16-bit files, see :func:`twinspect.images.read_rgb`.
    """

    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    workers: int = 2
    cache_mb: int = 2048
    bits: int | None = None

    def fit(
        self,
        model: Model,
        samples: Sequence[Sample],
        *,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> dict[str, list[float]]:
        """Train a model in place, from where its checkpoint stands if there is one.

        Args:
            model: its trained modules are changed, its teacher is not.
            samples: good images.
            progress: told about every step.
            checkpoint: read at the start and written now and then, at the end and when interrupted.

        Returns:
            The loss of every step, by stage.

        Raises:
            TrainingError: a loss that is no number, or a checkpoint that does not fit.
            KeyboardInterrupt: Ctrl-C or SIGTERM, after the step at hand and its checkpoint.
        """
        device = choose_device(self.device)
        fabric = _fabric(device, choose_precision(self.precision, device))
        watched = progress or Silent()
        images = TrainingImages(model, samples, device, workers=self.workers, bits=self.bits)
        images.keep(self.cache_mb * 2**20, watched)
        with kept_memory(), _interruptible() as interruption:
            run = _Run(fabric, model, images, self.seed, watched, checkpoint, interruption)
            return run.all_stages()


@dataclass
class _Interruption:
    """Whether a signal asked the loop to stop."""

    asked: bool = False


@dataclass
class _Run:
    """One call of :meth:`Trainer.fit`."""

    fabric: Fabric
    model: Model
    images: TrainingImages
    seed: int
    progress: Progress
    checkpoint: Checkpoint | None
    interruption: _Interruption
    losses: dict[str, list[float]] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)

    def all_stages(self) -> dict[str, list[float]]:
        """Run every stage, skipping what the checkpoint has behind it."""
        state = self.checkpoint.read() if self.checkpoint else None
        with torch.random.fork_rng(devices=[]):
            for index, stage in enumerate(self.model.method.stages()):
                if state is None or index >= state.stage:
                    self._stage(index, stage, state if state and index == state.stage else None)
        self.model.eval()
        return self.losses

    def _stage(self, index: int, stage: Stage, state: State | None) -> None:
        torch.manual_seed(_mix(self.seed, index))
        optimizer = cast("Optimizer", self.fabric.setup_optimizers(stage.optimizer(stage.parameters())))
        total = stage.total_steps(len(self.images))
        done = self._restore(state, optimizer) if state else 0
        losses = self.losses.setdefault(stage.name, [])
        self.model.eval()
        for module in stage.trained:
            module.train()
        self.progress.start(stage.name, total, done)
        for batch in self.images.batches(_order(stage, len(self.images), self.seed, index, done, total)):
            losses.append(self._step(stage, batch, optimizer, len(losses)))
            self.progress.advance(losses[-1])
            self._save_if_due(index, len(losses), total, optimizer)
        self.progress.finish()

    def _step(self, stage: Stage, batch: Batch, optimizer: Optimizer, step: int) -> float:
        optimizer.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            loss = stage.loss(batch)
        self.fabric.backward(loss)
        optimizer.step()
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} at step {step + 1} of stage {stage.name!r}; "
                "try a smaller --learning_rate, or --precision fp32"
            )
        return value

    def _save_if_due(self, stage: int, step: int, total: int, optimizer: Optimizer) -> None:
        stop = self.interruption.asked
        due = time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS
        if self.checkpoint and (stop or due or step == total):
            self.checkpoint.write(State.take(stage, step, self.losses, self.model, optimizer))
            self.saved_at = time.monotonic()
        if stop:
            raise KeyboardInterrupt

    def _restore(self, state: State, optimizer: Optimizer) -> int:
        state.put_back(self.model, optimizer)
        self.losses.update({name: list(values) for name, values in state.losses.items()})
        return state.step


class TrainingImages:
    """Prepared images and what the teacher says of them, kept in memory as far as a budget goes.

    Which images are kept, and in which groups their features are computed, depends on nothing but the list of
    images and the budget, so that a resumed run sees the same numbers to the last bit.

    Args:
        model: prepares the images; its method computes the targets.
        samples: the images.
        device: where batches are wanted.
        workers: threads that read.
        bits: significant bits of 16-bit files.
    """

    def __init__(
        self,
        model: Model,
        samples: Sequence[Sample],
        device: torch.device,
        *,
        workers: int,
        bits: int | None = None,
    ) -> None:
        self._model = model.to(device)
        self._samples = samples
        self._device = device
        self._workers = workers
        self._bits = bits
        self._kept: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._samples)

    def batches(self, order: Iterator[list[int]]) -> Iterator[Batch]:
        """Yield the batches named by lists of image numbers, reading ahead what is not kept."""
        plan = list(order)
        kept = len(self._kept[0]) if self._kept else 0
        absent = [[index for index in indices if index >= kept] for indices in plan]
        ahead = max(1, self._workers)
        read = prefetch(absent, self._read, workers=self._workers, ahead=ahead)
        for indices, images in zip(plan, read, strict=True):
            here = torch.tensor([index for index in indices if index < kept], dtype=torch.long)
            yield self._join(here, images)

    def _join(self, here: Tensor, images: Tensor | None) -> Batch:
        """Put what is kept and what was just read into one batch, the kept first."""
        parts = []
        if len(here):
            parts.append([tensor[here].to(self._device) for tensor in self._kept])
        if images is not None:
            parts.append(self._with_targets(images))
        joined = [
            torch.cat(tensors) if len(parts) > 1 else tensors[0] for tensors in zip(*parts, strict=True)
        ]
        joined = [tensor.contiguous(memory_format=torch.channels_last) for tensor in joined]
        return Batch(joined[0], tuple(joined[1:]))

    def keep(self, budget: int, progress: Progress) -> None:
        """Keep as many of the first images, and what the teacher says of them, as fit into so many bytes."""
        first = self._chunk(range(min(FILL_CHUNK, len(self._samples))))
        each = sum(tensor[0].numel() * tensor.element_size() for tensor in first)
        count = min(len(self._samples), budget // each)
        if count == 0:
            return
        self._kept = [torch.empty(count, *tensor.shape[1:], dtype=tensor.dtype) for tensor in first]
        progress.start("prepare", -(-count // FILL_CHUNK), 0)
        for start in range(0, count, FILL_CHUNK):
            stop = min(start + FILL_CHUNK, len(self._samples))
            chunk = self._chunk(range(start, stop)) if start else first
            for kept, tensor in zip(self._kept, chunk, strict=True):
                kept[start:stop] = tensor[: count - start].cpu()
            progress.advance()
        progress.finish()

    def _chunk(self, indices: range) -> list[Tensor]:
        read = prefetch(
            [[index] for index in indices], self._read, workers=self._workers, ahead=2 * FILL_CHUNK
        )
        return self._with_targets(torch.cat([images for images in read if images is not None]))

    def _with_targets(self, images: Tensor) -> list[Tensor]:
        images = images.to(self._device, memory_format=torch.channels_last)
        with torch.no_grad():
            return [images, *self._model.method.targets(images)]

    def _read(self, indices: list[int]) -> Tensor | None:
        if not indices:
            return None
        return torch.stack([self._model.read(self._samples[index], bits=self._bits)[0] for index in indices])


def choose_precision(name: str, device: torch.device) -> str:
    """Turn ``auto`` into bf16 where the processor multiplies it faster than fp32, and fp32 elsewhere.

    Raises:
        ConfigError: an unknown precision.
    """
    if name == "auto":
        return "bf16" if _gains_from_bf16(device) else "fp32"
    if name not in PRECISIONS:
        raise ConfigError(f"precision must be one of auto, {', '.join(PRECISIONS)}; got {name!r}")
    return name


def _gains_from_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Without these instructions a CPU converts to fp32 and back, and loses (torch has no public name for them).
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    )


def _fabric(device: torch.device, precision: str) -> Fabric:
    from lightning_fabric import Fabric  # noqa: PLC0415 - half a second that scoring does not need

    # It announces the precision as a warning would be; what was chosen is for the caller to say.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    index = cast("int | None", device.index)  # torch declares it as a number, but "cuda" alone has none
    devices = 1 if index is None else [index]
    fabric = Fabric(accelerator=device.type, devices=devices, precision=PRECISIONS[precision])  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def _order(stage: Stage, images: int, seed: int, index: int, done: int, total: int) -> Iterator[list[int]]:
    """Yield the image numbers of every step that is left: each epoch is a new permutation of all images."""
    an_epoch = stage.steps_per_epoch(images)
    permutation: list[int] = []
    for step in range(done, total):
        epoch, place = divmod(step, an_epoch)
        if place == 0 or not permutation:
            generator = torch.Generator().manual_seed(_mix(seed, index, epoch))
            permutation = torch.randperm(images, generator=generator).tolist()
        yield permutation[place * stage.batch_size : (place + 1) * stage.batch_size]


def _mix(*numbers: int) -> int:
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
