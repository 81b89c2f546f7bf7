"""A model with BatchNorm folded into its convolutions scores as before; what needs its BatchNorm keeps it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from twinspect.methods import method_class
from twinspect.methods.config import make_config
from twinspect.model.base import RawOutput, ScoringModel
from twinspect.model.folding import folded, weights_version
from twinspect.model.preprocessing import as_batch
from twinspect.model.tiled import TiledModel
from twinspect.model.tiling import Tiling
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Callable


def vary_norms(model: nn.Module) -> None:
    """Give each BatchNorm statistics, scales and shifts of its own, as after a training."""
    random = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
            ):
                with torch.no_grad():
                    values.copy_(low + (high - low) * torch.rand(values.shape, generator=random))


def build(method: str, teacher: str = "test_resnet", layers: tuple[int, ...] | None = None) -> Model:
    torch.manual_seed(0)
    cls = method_class(method)
    made = create_teacher(teacher, weights="random", layers=layers or cls.usual_layers(teacher))
    model = Model.build(method, make_config(cls.Config, None, {"size": 64}), made)
    vary_norms(model)
    return model


def images(count: int = 3) -> Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 70, 80, 3), dtype=np.uint8)
    return torch.cat([as_batch(image) for image in pixels])


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(
    ("method", "teacher"),
    [
        ("rd", "test_resnet"),
        ("rd", "pocket"),
        ("aand", "test_resnet"),
        ("stfpm", "mobilenetv2_035"),
        ("stfpm", "test_efficientnet"),
    ],
)
@torch.no_grad()
def test_scores_and_maps_stay(method: str, teacher: str) -> None:
    model = build(method, teacher)
    before, count = model(images()), norms(model)
    scoring = folded(model)
    found = scoring(images())
    torch.testing.assert_close(found.score, before.score, rtol=1e-5, atol=0)
    torch.testing.assert_close(found.map, before.map, rtol=1e-5, atol=1e-5 * float(before.map.abs().max()))
    assert norms(scoring) == 0 < count == norms(model)
    np.testing.assert_array_equal(model(images()).score, before.score)


@torch.no_grad()
def test_tiles_too() -> None:
    model = TiledModel(build("rd"), Tiling.of(48, 16)).eval()
    scoring = folded(model)
    torch.testing.assert_close(scoring(images(1)).score, model(images(1)).score, rtol=1e-5, atol=0)
    assert norms(scoring) == 0


@torch.no_grad()
def test_the_copy_is_kept_until_a_weight_changes() -> None:
    model = build("rd")
    scoring, version = folded(model), weights_version(model)
    assert folded(model) is scoring
    model.load_state_dict(model.state_dict())
    assert weights_version(model) != version
    assert folded(model) is not scoring


def test_what_is_trained_keeps_its_norms() -> None:
    model = build("rd").train()
    assert folded(model) is model


class Branching(ScoringModel):
    """Looks at what a convolution gives before its BatchNorm, and uses another one twice."""

    def __init__(self) -> None:
        super().__init__()
        self.shown, self.shown_norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.twice, self.first_norm, self.second_norm = (
            nn.Conv2d(4, 4, 1),
            nn.BatchNorm2d(4),
            nn.BatchNorm2d(4),
        )
        self.heard, self.heard_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.up, self.up_norm = nn.ConvTranspose2d(4, 6, 2, stride=2), nn.BatchNorm2d(6, affine=False)

    def infer(self, images: Tensor, inside: Tensor | None = None) -> RawOutput:
        shown = self.shown(images)
        x = self.shown_norm(shown) + shown
        x = self.second_norm(self.twice(self.first_norm(self.twice(x))))
        x = self.up_norm(self.up(self.heard_norm(self.heard(x))))
        return RawOutput(x.mean(dim=1), x.mean(dim=(1, 2, 3)))

    def forward(self, rgb: Tensor) -> RawOutput:
        return self.infer(rgb)

    def exportable(self) -> Any:
        return self, ()

    def check_region(self, *, blank: bool) -> None:
        """Any will do."""


@torch.no_grad()
def test_only_what_nobody_else_sees_is_folded() -> None:
    torch.manual_seed(0)
    model = Branching().eval()
    vary_norms(model.shown_norm)
    model.up_norm.running_mean.uniform_(-1, 1)
    model.heard.register_forward_hook(lambda *_: None)
    scoring = folded(model)
    assert norms(scoring) == 4
    assert isinstance(scoring.up_norm, nn.Sequential)
    x = torch.rand(2, 3, 12, 10)
    torch.testing.assert_close(scoring(x).map, model(x).map, rtol=1e-5, atol=1e-6)


class Meanwhile(Branching):
    """While its code runs, and be it only to be traced, another thread computes."""

    def __init__(self, compute: Callable[[], None]) -> None:
        super().__init__()
        self._compute = compute

    def infer(self, images: Tensor, inside: Tensor | None = None) -> RawOutput:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._compute).result()
        return super().infer(images, inside)


@torch.no_grad()
def test_other_threads_compute_while_a_model_is_folded() -> None:
    other, x, found = Branching().eval(), torch.ones(1, 3, 12, 10), []
    expected = other(x).map
    folded(Meanwhile(lambda: found.append(other(x).map)).eval())
    assert found
    assert all(isinstance(each, Tensor) and torch.equal(each, expected) for each in found)


def test_models_are_folded_in_turns() -> None:
    models = [Branching().eval() for _ in range(8)]
    calls = nn.Module.__call__
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(folded, models * 2))
    assert found[:8] == found[8:]
    assert nn.Module.__call__ is calls
    assert [norms(model) for model in found[:8]] == [3] * 8
