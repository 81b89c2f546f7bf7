"""Random states of a GPU, which a stub has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from twinspect.training.checkpoint import BestState, Checkpoint, History, State
from twinspect.utils.distributed import ProcessGroup
from twinspect.utils.random_state import unchanged_random_state

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

CUDA = torch.device("cuda", 1)


class StubGpus:
    """The random states of two GPUs."""

    def __init__(self) -> None:
        self.states = {index: torch.full((16,), index, dtype=torch.uint8) for index in (0, 1)}

    def get(self, device: torch.device) -> Tensor:
        return self.states[device.index].clone()

    def set(self, state: Tensor, device: torch.device) -> None:
        assert (state.device.type, state.dtype) == ("cpu", torch.uint8)
        self.states[device.index] = state


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> StubGpus:
    stub = StubGpus()
    monkeypatch.setattr(torch.cuda, "get_rng_state", stub.get)
    monkeypatch.setattr(torch.cuda, "set_rng_state", stub.set)
    return stub


class OnGpu(ProcessGroup):
    """A process that computes on the second one."""

    device = CUDA


def test_a_checkpoint_brings_the_random_state_of_its_gpu_back(gpus: StubGpus, tmp_path: Path) -> None:
    layer, kept = nn.Linear(2, 2), Checkpoint(tmp_path / "c.safetensors", "key")
    gpus.states[1].fill_(77)
    kept.write(State.take(0, 1, History(), layer, None, BestState([]), OnGpu()))
    state, cpu = kept.read(), torch.get_rng_state()
    assert state is not None
    gpus.states[1].fill_(5)
    torch.rand(3)
    state.restore(layer, None, BestState([]), OnGpu())
    assert gpus.states[1].unique().tolist() == [77]
    assert gpus.states[0].unique().tolist() == [0]
    assert torch.equal(torch.get_rng_state(), cpu)
    gpus.states[1].fill_(5)
    state.restore(layer, None, BestState([]))  # on a CPU there is nothing to do
    del state.tensors["device_random"]  # as in checkpoints of earlier versions
    state.restore(layer, None, BestState([]), OnGpu())
    assert gpus.states[1].unique().tolist() == [5]


def test_a_seed_is_forgotten_on_the_gpu_too(gpus: StubGpus) -> None:
    before = torch.get_rng_state()
    for device in (CUDA, torch.device("cpu")):
        with unchanged_random_state(device):
            torch.manual_seed(1)
            gpus.states[1] = torch.full((16,), 9 if device is CUDA else 1, dtype=torch.uint8)
        assert gpus.states[1].unique().tolist() == [1]
        assert torch.equal(torch.get_rng_state(), before)
