"""Training checkpoints: one safetensors file with what is needed to go on to the same weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from twinspect.errors import TrainingError
from twinspect.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from torch.optim import Optimizer


_MODEL, _OPTIMIZER, _RANDOM = "model.", "optimizer.", "random"


@dataclass(frozen=True)
class State:
    """Where a training stands.

    Attributes:
        stage: number of the stage at hand.
        step: optimiser steps made in it.
        losses: the loss of every step so far, by stage.
        tensors: weights and buffers that are not the teacher's, the optimiser's state, torch's random state.
        groups: the optimiser's parameter groups and its state's plain numbers.
    """

    stage: int
    step: int
    losses: dict[str, list[float]]
    tensors: dict[str, Tensor]
    groups: dict[str, Any]

    @classmethod
    def take(
        cls, stage: int, step: int, losses: dict[str, list[float]], model: nn.Module, optimizer: Optimizer
    ) -> State:
        """Copy the state out of a model and its optimiser."""
        tensors = {_MODEL + name: tensor for name, tensor in learned_state(model).items()}
        saved = optimizer.state_dict()
        numbers: dict[str, Any] = {}
        for index, entry in saved["state"].items():
            for name, value in entry.items():
                key = f"{_OPTIMIZER}{index}.{name}"
                (tensors if isinstance(value, Tensor) else numbers)[key] = value
        tensors[_RANDOM] = torch.get_rng_state()
        return cls(stage, step, losses, tensors, {"groups": saved["param_groups"], "numbers": numbers})

    def put_back(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Load the state into a model and an optimiser of the same shape."""
        learned = {
            name.removeprefix(_MODEL): t for name, t in self.tensors.items() if name.startswith(_MODEL)
        }
        model.load_state_dict(learned, strict=False)
        entries: dict[int, dict[str, Any]] = {}
        for key, value in {**self.tensors, **self.groups["numbers"]}.items():
            if key.startswith(_OPTIMIZER):
                index, _, name = key.removeprefix(_OPTIMIZER).partition(".")
                entries.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": entries, "param_groups": self.groups["groups"]})
        torch.set_rng_state(self.tensors[_RANDOM])


@dataclass(frozen=True)
class Checkpoint:
    """A file that a training goes on from.

    Attributes:
        path: the file; it need not exist.
        key: identifies data, settings and seed; a checkpoint of another key is refused.
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
                record = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{self.path} is not a readable checkpoint ({error}); start anew: --restart"
            ) from error
        if record.pop("key") != self.key:
            raise TrainingError(
                f"{self.path} belongs to a training with other images, settings or seed; "
                "repeat the first command, or start anew: --restart"
            )
        return State(tensors=tensors, **record)

    def write(self, state: State) -> None:
        """Replace the file, keeping the old one until the new one is complete."""
        record = {
            "key": self.key,
            "stage": state.stage,
            "step": state.step,
            "losses": state.losses,
            "groups": state.groups,
        }
        tensors = {name: tensor.contiguous() for name, tensor in state.tensors.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, save(tensors, {"state": json.dumps(record)}))


def learned_state(model: nn.Module) -> dict[str, Tensor]:
    """Collect a model's weights and buffers except the frozen teacher's."""
    return {name: t for name, t in model.state_dict().items() if not name.startswith("method.teacher.")}
