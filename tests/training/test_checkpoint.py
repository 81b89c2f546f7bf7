"""Stages that are validated on held-out images: which images, which state is kept, and what is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

import twinspect as ts
from drawn_parts import quick
from twinspect.errors import TrainingError
from twinspect.methods.base import a_few
from twinspect.training.batch_plan import choose_held_out
from twinspect.training.budget import VALIDATIONS
from twinspect.training.checkpoint import BestState, Checkpoint, History, State

if TYPE_CHECKING:
    from pathlib import Path


def test_the_state_with_the_lowest_loss_is_restored() -> None:
    layer = nn.Linear(2, 1)
    best = BestState([layer])
    for loss, value in ((3.0, 1.0), (1.0, 2.0), (2.0, 3.0)):
        nn.init.constant_(layer.weight, value)
        best.keep_if_better(loss)
    best.restore()
    assert best.loss == 1.0
    assert torch.equal(layer.weight, torch.full((1, 2), 2.0))


def test_without_any_loss_nothing_is_restored() -> None:
    layer = nn.Linear(2, 1)
    before = layer.weight.clone()
    BestState([layer]).restore()
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize(("images", "count"), [(1, 1), (9, 1), (10, 1), (57, 5), (1000, 100)])
def test_a_tenth_of_the_images_is_held_out(images: int, count: int) -> None:
    chosen = choose_held_out(images, seed=3)
    assert len(set(chosen)) == count
    assert chosen == sorted(chosen) == choose_held_out(images, seed=3)
    assert all(0 <= number < images for number in chosen)


@pytest.mark.parametrize(
    ("images", "count"), [(1, 0), (19, 0), (20, 1), (57, 2), (200, 10), (320, 16), (5000, 16)]
)
def test_a_few_are_held_out_where_anomalies_are_drawn(images: int, count: int) -> None:
    assert len(choose_held_out(images, seed=3, count=a_few)) == count


def test_validation_curves_are_recorded_and_saved(parts: Path, tmp_path: Path) -> None:
    detector = ts.Detector("aand", **quick("aand", steps=20)).fit(parts)
    images = detector.data_["train"]
    assert detector.data_["held_out"] == {"amplify": images // 20}
    names = {
        "amplify: loss",
        "amplify: residual on anomalous patches",
        "amplify: residual on normal patches",
        "amplify: intensity of residuals on anomalous patches",
        "amplify: intensity of residuals on normal patches",
    }
    assert detector.curves_.keys() == names
    assert all(len(curve) == VALIDATIONS for curve in detector.curves_.values())
    detector.save(tmp_path / "m.twin")
    assert ts.load(tmp_path / "m.twin").curves_ == detector.curves_


# Damaged files ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a layer and its optimiser."""
    layer = nn.Linear(8, 8)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    state = State.take(0, 1, History({"distil": [1.0]}), layer, optimizer, BestState([layer]))
    path = tmp_path_factory.mktemp("checkpoint") / "c.safetensors"
    Checkpoint(path, "key").write(state)
    return path


def test_a_checkpoint_is_read_back(written: Path) -> None:
    state = Checkpoint(written, "key").read()
    assert state is not None
    layer = nn.Linear(8, 8)
    state.restore(layer, torch.optim.Adam(layer.parameters()), BestState([layer]))
    assert torch.equal(layer.weight, state.tensors["model.weight"])
    assert state.history.losses == {"distil": [1.0]}


def test_every_flipped_bit_is_found(written: Path, tmp_path: Path) -> None:
    content = written.read_bytes()
    name = content.index(b'"digest"')  # without its name there is no digest, as in files of earlier versions
    for position in set(range(0, len(content), 97)) - set(range(name, name + len(b'"digest"'))):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        (tmp_path / "c.safetensors").write_bytes(damaged)
        with pytest.raises(TrainingError, match=r"readable checkpoint|belongs to a training"):
            Checkpoint(tmp_path / "c.safetensors", "key").read()


def test_a_checkpoint_of_other_networks_is_refused(written: Path) -> None:
    state = Checkpoint(written, "key").read()
    assert state is not None
    other = nn.Linear(3, 3)
    with pytest.raises(TrainingError, match="does not fit this training"):
        state.restore(other, torch.optim.Adam(other.parameters()), BestState([other]))
