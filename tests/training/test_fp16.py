"""Training in fp16: what its range takes, on a CPU, which computes in it though `fit` does not."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import twinspect as ts
from drawn_parts import TEACHER, quick, stripes
from twinspect import maps
from twinspect.errors import TrainingError
from twinspect.methods import losses, method_class
from twinspect.methods.base import Batch, Stage
from twinspect.methods.config import make_config
from twinspect.methods.networks.token_decoder import _linear_attention
from twinspect.methods.stable_adamw import StableAdamW
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher
from twinspect.training import trainer
from twinspect.training.checkpoint import BestState, Checkpoint, History, State
from twinspect.training.optimizer_steps import OptimizerSteps
from twinspect.utils.distributed import ProcessGroup, launch
from twinspect.utils.mixed_precision import MixedPrecision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPU = torch.device("cpu")
SIDE = 64
FIRST_SCALE = 2.0**16


@pytest.fixture(scope="module")
def processes() -> ProcessGroup:
    return launch(CPU, "fp16")


def precision_of(processes: ProcessGroup) -> MixedPrecision:
    assert isinstance(processes.precision, MixedPrecision)
    return processes.precision


# What a method computes ---------------------------------------------------------------------------------------------


def model(method: str, teacher: dict[str, Any]) -> Model:
    config = method_class(method).Config
    names = {each.name for each in fields(config)}
    settings = {name: value for name, value in quick(method, 1).items() if name in names}
    if teacher["teacher"] == "test_vit":
        settings["size"] = 160
    torch.manual_seed(0)
    made = create_teacher(teacher["teacher"], weights="random", layers=teacher["layers"])
    return Model.build(method, make_config(config, None, settings), made)


def stage_losses(model: Model, stage: Stage, *, larger: float) -> list[float]:
    """Compute a stage's loss in fp32 and in fp16, of features so many times as large."""
    model.eval()
    for module in stage.trained:
        module.train()
    pixels = np.stack([stripes(seed) for seed in range(2)])
    images = model.preprocessing.apply(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    whole = torch.ones(2, *images.shape[-2:], dtype=torch.bool)
    drawn = torch.zeros_like(whole)
    drawn[:, 10:30, 10:30] = True
    with torch.no_grad():
        targets = tuple(larger * level for level in model.method.targets(images))
        rest = drawn if stage.synthesizer else None, torch.zeros(2, dtype=torch.long), 0.5, whole
        batch = Batch(images, targets, *rest, whole.tril(SIDE // 2))
        found = []
        for is_half in (False, True):
            torch.manual_seed(1)
            with torch.autocast("cpu", torch.float16, enabled=is_half):
                found.append(stage.loss(batch))
    assert all(loss.dtype == torch.float32 for loss in found)
    return [float(loss) for loss in found]


@pytest.mark.parametrize("larger", [1, 40])
@pytest.mark.parametrize(
    ("method", "teacher"),
    [
        *((method, TEACHER) for method in sorted(ts.methods()) if method not in ("padim", "patchcore")),
        *((method, {"teacher": "test_vit", "layers": None}) for method in ("dinomaly", "dual")),
    ],
)
def test_losses_are_those_of_fp32(method: str, teacher: dict[str, Any], larger: float) -> None:
    """Features forty times as large have sums of squares beyond 65504."""
    built = model(method, teacher)
    for stage in built.method.stages():
        if stage.gather is None:
            single, half = stage_losses(built, stage, larger=larger)
            assert half == pytest.approx(single, rel=1e-3)


@pytest.mark.parametrize(
    "compute",
    [
        maps.cosine_map,
        maps.unit_distance_map,
        losses.direction_loss,
        losses.value_loss,
        lambda one, other: losses.hard_loss(one, other, 3),
        lambda one, other: losses.hard_feature_loss(one, other, 0.9),
        lambda one, other: losses.relaxed_loss(one, other, easy_share=0.5, easy_weight=0.1),
        lambda one, other: _linear_attention(*(x.flatten(2).mT[:, None].abs() for x in (one, other, other))),
    ],
)
def test_half_inputs_are_compared_in_fp32(compute: Callable[[Tensor, Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (300 * torch.randn(2, 64, 20, 20, generator=generator).half() for _ in range(2))
    with torch.autocast("cpu", torch.float16):
        found = compute(one, other)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, compute(one.float(), other.float()), rtol=1e-4, atol=1e-5)


def test_shares_of_places_count_every_pixel() -> None:
    """Of places of 3600 pixels, which fp16 cannot count one by one."""
    inside = torch.ones(1, 120, 120, dtype=torch.bool)
    inside[0, 0, 0] = False
    with torch.autocast("cpu", torch.float16):
        shares = maps.share_inside(inside, (2, 2))
    assert shares[0, 0, 0] == pytest.approx(3599 / 3600, abs=1e-6)


# Steps --------------------------------------------------------------------------------------------------------------


class Overflowing(torch.autograd.Function):
    """Leaves numbers as they are; gradients become infinite above a limit, as in fp16."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, limit: float) -> Tensor:
        ctx.limit = limit
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return torch.where(gradient.abs() > ctx.limit, torch.inf, gradient), None


def stage(layer: nn.Module, loss: Callable[[Batch], Tensor], optimizer: Any = None, **more: Any) -> Stage:
    make = optimizer or (lambda parameters: torch.optim.Adam(parameters, lr=0.1, fused=True))
    return Stage("distil", (layer,), make, loss, steps=4, epochs=0, batch_size=2, **more)


def batch(value: float = 1.0, done: float = 0.0) -> Batch:
    return Batch(torch.full((2, 3), value), (), done=done)


def layer_of(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 1))


def test_a_step_whose_gradients_overflow_is_made_again(processes: ProcessGroup) -> None:
    layer, calls, rates = nn.Linear(3, 1), [], []

    def loss(given: Batch) -> Tensor:
        calls.append(given.done)
        return Overflowing.apply(layer(given.images).float().mean(), FIRST_SCALE / 4)  # type: ignore[no-any-return]

    def rate(done: float) -> float:
        rates.append(done)
        return 1 - done

    before, steps = layer.weight.clone(), OptimizerSteps(processes, stage(layer, loss, rate=rate))
    made = [steps.make(batch(done=done), 1.0, 1) for done in (0.0, 0.5)]
    assert calls == [0.0, 0.0, 0.0, 0.5]  # at 65536, 32768 and 16384, where it stays
    assert rates == [0.0, 0.5]
    assert precision_of(processes).scale == FIRST_SCALE / 4
    assert not precision_of(processes).in_fp32
    assert len(made) == 2
    # Adam's steps are as long as its rate: the steps that were not made count for nothing.
    torch.testing.assert_close(before - layer.weight, torch.full((1, 3), 0.1 + 0.05), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.5),
        lambda parameters: StableAdamW(parameters, lr=0.1, weight_decay=0.1),
    ],
)
@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_weights_are_those_of_fp32(processes: ProcessGroup, optimizer: Any, clip: float) -> None:
    """Gradients are clipped without their scale, and a step that is not made leaves all as it was."""
    changed = []
    for group in (launch(CPU, "fp32"), processes):
        layer = layer_of()
        limit = FIRST_SCALE / 8 if group is processes else torch.inf

        def loss(given: Batch, layer: nn.Module = layer, limit: float = limit) -> Tensor:
            rows = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
            squares = (layer(rows).float() - given.images.mean()).square().mean()
            return Overflowing.apply(squares, limit)  # type: ignore[no-any-return]

        steps = OptimizerSteps(group, stage(layer, loss, optimizer, clip=clip))
        for number in range(3):
            steps.make(batch(), 1.0, number + 1)
        changed.append(layer.state_dict())
    for name, value in changed[0].items():
        torch.testing.assert_close(changed[1][name], value, rtol=5e-3, atol=5e-3, msg=name)
    assert changed[1]["1.num_batches_tracked"] == 3


def test_a_stage_whose_loss_overflows_goes_on_in_fp32(processes: ProcessGroup) -> None:
    layer, in_half = layer_of(), []

    def loss(given: Batch) -> Tensor:
        out = layer[1](layer[0](given.images * 1e6))
        in_half.append(layer[0](given.images).dtype == torch.float16)
        return layer[2](out).float().mean()  # type: ignore[no-any-return]

    steps = OptimizerSteps(processes, stage(layer, loss))
    assert all(np.isfinite(steps.make(batch(), 1.0, number)) for number in (1, 2))
    assert in_half == [True, False, False]
    assert all(torch.isfinite(value).all() for value in layer.state_dict().values())
    OptimizerSteps(processes, stage(layer, loss))  # the next stage begins anew
    assert not precision_of(processes).in_fp32
    assert precision_of(processes).scale == FIRST_SCALE


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_in_fp32_either_ends_the_training(
    processes: ProcessGroup, bad: float
) -> None:
    layer = nn.Linear(3, 1)
    steps = OptimizerSteps(processes, stage(layer, lambda given: layer(given.images).float().mean() * bad))
    with pytest.raises(
        TrainingError, match=r"the loss became .* at step 7 of stage 'distil'; .*--precision fp32"
    ):
        steps.make(batch(), 1.0, 7)


# Checkpoints --------------------------------------------------------------------------------------------------------


def test_the_scale_is_kept_in_checkpoints_and_older_ones_are_read(
    processes: ProcessGroup, tmp_path: Path
) -> None:
    layer = nn.Linear(3, 1)
    optimizer, best, precision = torch.optim.Adam(layer.parameters()), BestState([]), precision_of(processes)
    precision.load_state_dict({**precision._fresh, "scale": 512.0, "_growth_tracker": 7, "in_fp32": True})
    kept = Checkpoint(tmp_path / "c.safetensors", "key")
    kept.write(State.take(0, 1, History(), layer, optimizer, best, processes))
    precision.load_state_dict({})
    state = kept.read()
    assert state is not None
    state.restore(layer, optimizer, best, processes)
    assert (precision.scale, precision.in_fp32) == (512.0, True)
    assert precision.state_dict()["_growth_tracker"] == 7
    state.scaler.clear()  # as in checkpoints of earlier versions
    state.restore(layer, optimizer, best, processes)
    assert (precision.scale, precision.in_fp32) == (FIRST_SCALE, False)
    state.restore(layer, optimizer, best, launch(CPU, "bf16"))


def test_a_fit_in_fp16_learns_and_resumes_to_the_same_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trainer, "choose_precision", lambda name, _device: name)
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    images = np.stack([stripes(seed) for seed in range(8)])

    def fitted(precision: str, **how: Any) -> ts.Detector:
        # Only linear layers: convolutions in fp16 take a CPU seconds.
        settings = {**quick("hybrid", 3), "imitate_steps": 0, "patches": 32, "precision": precision}
        return ts.Detector("hybrid", **settings).fit(images, **how)

    whole, single = fitted("fp16"), fitted("fp32")
    for stage_name, expected in single.losses_.items():
        assert whole.losses_[stage_name] == pytest.approx(expected, rel=0.05)

    class Stopped(Exception):
        pass

    def stop(self: OptimizerSteps, *given: Any) -> float:
        if given[-1] == 3:
            raise Stopped
        return make(self, *given)

    make = OptimizerSteps.make
    monkeypatch.setattr(OptimizerSteps, "make", stop)
    with pytest.raises(Stopped):
        fitted("fp16", checkpoint=tmp_path)
    monkeypatch.setattr(OptimizerSteps, "make", make)
    resumed = fitted("fp16", checkpoint=tmp_path, resume=True)
    assert resumed.losses_ == whole.losses_
    for name, value in whole.model_.state_dict().items():
        assert torch.equal(resumed.model_.state_dict()[name], value), name
