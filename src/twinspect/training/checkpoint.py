"""Training checkpoints: one safetensors file with all that is needed to resume to the same weights."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from msgspec import Struct
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from twinspect.bundle.schema import Count, RecordError, parse
from twinspect.errors import TrainingError
from twinspect.utils.distributed import SINGLE_PROCESS
from twinspect.utils.files import write_atomically
from twinspect.utils.random_state import device_random_state, set_device_random_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch.optim import Optimizer

    from twinspect.utils.distributed import ProcessGroup


_MODEL, _OPTIMIZER, _BEST = "model.", "optimizer.", "best."
_RANDOM, _DEVICE_RANDOM = "random", "device_random"


@dataclass
class History:
    """What a training records besides weights.

    Attributes:
        losses: the loss of every step so far, by stage.
        curves: metrics of the validations on held-out images, by stage and name.
        held_out: number of images that a stage with a validation or a measurement held out, by stage.
    """

    losses: dict[str, list[float]] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    held_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """The state of a training.

    Attributes:
        stage: number of the current stage.
        step: optimiser steps done in it.
        history: losses and curves so far.
        best_loss: the lowest validation loss of this stage; infinite without validation.
        tensors: weights and buffers other than the teacher's, the optimiser's state, the state of the trained
            modules at the lowest validation loss, and torch's random state of every process, (processes, n), with
            that of its GPU.
        groups: the optimiser's parameter groups and the plain numbers of its state.
        done: the share of this stage that is done, where a budget of time decides; else 0.
        elapsed: seconds of that budget that were used.
        scaler: of the gradients in fp16; empty in other precisions.
    """

    stage: int
    step: int
    history: History
    best_loss: float
    tensors: dict[str, Tensor]
    groups: dict[str, Any]
    done: float = 0.0
    elapsed: float = 0.0
    scaler: dict[str, int | float] = field(default_factory=dict)

    @classmethod
    def take(
        cls,
        stage: int,
        step: int,
        history: History,
        model: nn.Module,
        optimizer: Optimizer | None,
        best: BestState,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> State:
        """Copy the state of a training; all processes must call this together."""
        tensors = {_MODEL + name: tensor for name, tensor in learned_state(model).items()}
        saved = optimizer.state_dict() if optimizer else {"state": {}, "param_groups": []}
        numbers: dict[str, Any] = {}
        for index, entry in saved["state"].items():
            for name, value in entry.items():
                key = f"{_OPTIMIZER}{index}.{name}"
                (tensors if isinstance(value, Tensor) else numbers)[key] = value
        tensors.update({_BEST + name: tensor for name, tensor in best.tensors.items()})
        tensors[_RANDOM] = processes.gather(torch.get_rng_state())
        if (of_device := device_random_state(processes.device)) is not None:
            tensors[_DEVICE_RANDOM] = processes.gather(of_device)
        groups = {"groups": saved["param_groups"], "numbers": numbers}
        scaler = processes.precision.state_dict() if processes.fabric else {}
        return cls(stage, step, history, best.loss, tensors, groups, scaler=scaler)

    def restore(
        self,
        model: nn.Module,
        optimizer: Optimizer | None,
        best: BestState,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        """Load the state into a model, an optimiser if any and a best state of the same shapes.

        A process that did not exist when the state was taken keeps its initial random state.

        Raises:
            TrainingError: the shapes differ, or something is missing.
        """
        try:
            self._restore(model, optimizer, best)
            self._restore_random(processes.rank, processes.device)
            if processes.fabric:
                processes.precision.load_state_dict(self.scaler)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise TrainingError(
                f"the checkpoint does not fit this training ({type(error).__name__}: {error}); start anew: --restart"
            ) from error

    def _restore(self, model: nn.Module, optimizer: Optimizer | None, best: BestState) -> None:
        learned = {
            name.removeprefix(_MODEL): t for name, t in self.tensors.items() if name.startswith(_MODEL)
        }
        model.load_state_dict(learned, strict=False)
        if optimizer:
            self._restore_optimizer(optimizer)
        best.loss = self.best_loss
        best.tensors = {
            name.removeprefix(_BEST): t for name, t in self.tensors.items() if name.startswith(_BEST)
        }

    def _restore_random(self, rank: int, device: torch.device) -> None:
        random = self.tensors[_RANDOM]
        random = random.reshape(-1, random.shape[-1])  # older checkpoints of one process are one-dimensional
        if rank < len(random):
            torch.set_rng_state(random[rank].clone())
        # Older checkpoints have none of a device, nor has one that was written without a GPU.
        of_devices = self.tensors.get(_DEVICE_RANDOM, random[:0])
        if rank < len(of_devices):
            set_device_random_state(of_devices[rank].clone(), device)

    def _restore_optimizer(self, optimizer: Optimizer) -> None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        entries: dict[int, dict[str, Any]] = {}
        for key, value in {**self.tensors, **self.groups["numbers"]}.items():
            if key.startswith(_OPTIMIZER):
                index, _, name = key.removeprefix(_OPTIMIZER).partition(".")
                entries.setdefault(int(index), {})[name] = _match_memory_format(parameters[int(index)], value)
        optimizer.load_state_dict({"state": entries, "param_groups": self.groups["groups"]})


class GroupsRecord(Struct):
    """The optimiser's parameter groups and the plain numbers of its state."""

    groups: list[dict[str, Any]]
    numbers: dict[str, Any]


class CheckpointRecord(Struct):
    """What a checkpoint has besides tensors."""

    key: str
    stage: Count
    step: Count
    losses: dict[str, list[float]]
    curves: dict[str, list[float]]
    best_loss: float
    groups: GroupsRecord
    held_out: dict[str, int] = {}
    done: float = 0.0
    elapsed: float = 0.0
    scaler: dict[str, int | float] = {}


@dataclass(frozen=True)
class Checkpoint:
    """A file from which a training resumes.

    Attributes:
        path: the file; it need not exist.
        key: identifies data, settings and seed; a checkpoint with another key is refused.
    """

    path: Path
    key: str

    def read(self) -> State | None:
        """Read the state, or return ``None`` where there is no file.

        Raises:
            TrainingError: the file is damaged or belongs to another training.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata()
                record = parse(metadata["state"], CheckpointRecord)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            # Checkpoints of earlier versions have no digest.
            if "digest" in metadata and metadata["digest"] != _digest(metadata["state"], tensors):
                raise RecordError("its digest does not match")
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{self.path} is not a readable checkpoint ({error}); start anew: --restart"
            ) from error
        if record.key != self.key:
            raise TrainingError(
                f"{self.path} belongs to a training with other images, settings or seed; "
                "repeat the first command, or start anew: --restart"
            )
        history, groups = (
            History(record.losses, record.curves, record.held_out),
            msgspec.to_builtins(record.groups),
        )
        rest = record.done, record.elapsed, record.scaler
        return State(record.stage, record.step, history, record.best_loss, tensors, groups, *rest)

    def write(self, state: State) -> None:
        """Replace the file, keeping the old one until the new one is complete."""
        record = {
            "key": self.key,
            "stage": state.stage,
            "step": state.step,
            **asdict(state.history),
            "best_loss": state.best_loss,
            "groups": state.groups,
            "done": state.done,
            "elapsed": state.elapsed,
            "scaler": state.scaler,
        }
        tensors = {name: tensor.contiguous() for name, tensor in state.tensors.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record)
        write_atomically(self.path, save(tensors, {"state": text, "digest": _digest(text, tensors)}))


def _digest(state: str, tensors: dict[str, Tensor]) -> str:
    """Hash all of a checkpoint, so that a flipped bit is found."""
    digest = hashlib.sha256(state.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _match_memory_format(parameter: Tensor, value: Any) -> Any:
    """Copy a tensor of the parameter's shape into the parameter's memory format.

    Files do not keep the memory format, and torch's fused optimisers need the same one for both.
    """
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def learned_state(model: nn.Module) -> dict[str, Tensor]:
    """Collect a model's weights and buffers except the frozen teacher's."""
    return {name: t for name, t in model.state_dict().items() if not name.startswith("method.teacher.")}


class BestState:
    """The state of modules at their lowest loss.

    Args:
        modules: whose state is copied and restored.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = nn.ModuleList(modules)
        self.loss = math.inf
        self.tensors: dict[str, Tensor] = {}

    def keep_if_better(self, loss: float) -> None:
        """Copy the modules' state if this loss is the lowest so far."""
        if loss < self.loss:
            self.loss = loss
            self.tensors = {name: t.detach().clone() for name, t in self._modules.state_dict().items()}

    def restore(self) -> None:
        """Load the best state into the modules; if there is none, they stay as they are."""
        if self.tensors:
            self._modules.load_state_dict(self.tensors)
