"""How methods add to what they gathered, against all images gathered at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import twinspect as ts
from drawn_parts import quick
from twinspect.errors import ConfigError
from twinspect.maps import gaussian_blur
from twinspect.methods.base import Method, Stage
from twinspect.methods.gathering import GatheringConfig
from twinspect.methods.networks.place_gaussians import PlaceGaussians
from twinspect.methods.networks.place_statistics import PlaceStatistics
from twinspect.methods.patch_sample import PatchSample
from twinspect.testing.drawing import good
from twinspect.training.start import RATE, SHARE, Start

if TYPE_CHECKING:
    from collections.abc import Callable


def test_gaussians_of_two_portions_are_those_of_all() -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn(20, 5, 4, 4, generator=random) @ torch.randn(4, 4, generator=random)
    whole, added = PlaceGaussians(), PlaceGaussians()
    whole.gather([features], 0.01)
    added.gather([features[:13]], 0.01)
    added.gather([features[13:]], 0.01, absent=13)
    torch.testing.assert_close(added.mean, whole.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(added(features), whole(features), rtol=1e-3, atol=1e-3)


def test_statistics_of_two_portions_are_weighted_by_their_images() -> None:
    """Of maps without structure, which no blur changes: (6 * 1 + 2 * 5) / 8."""
    added = PlaceStatistics()
    added.gather([torch.ones(6, 3, 3)])
    added.gather([torch.full((2, 3, 3), 5.0)], absent=6)
    torch.testing.assert_close(added.mean, torch.full((3, 3), 2.0))
    deviation = np.sqrt((6 * 1**2 + 2 * 5**2) / 8 - 2**2)
    torch.testing.assert_close(added.deviation, torch.full((3, 3), 1.1 * float(deviation)))
    assert gaussian_blur(torch.ones(1, 3, 3), 1.0).allclose(torch.ones(1, 3, 3))


def test_kept_patches_are_never_dropped() -> None:
    torch.manual_seed(0)
    sample = PatchSample(40)
    sample.keep(torch.full((10, 2), 7.0))
    for _ in range(20):
        sample.add(torch.rand(30, 2))
    sample.close()
    rows = sample.rows(torch.arange(len(sample)))
    assert len(rows) == 40
    assert int((rows == 7).all(dim=1).sum()) == 10


@pytest.fixture(scope="module")
def few() -> Callable[[str], ts.Detector]:
    return lambda method: ts.Detector(method, **quick(method, steps=3)).fit(good(0, 20))


def members(detector: ts.Detector) -> set[bytes]:
    return {row.numpy().tobytes() for row in detector.model_.method.memory.members}


def test_patchcore_keeps_its_share_of_all_patches(few: Callable[[str], ts.Detector]) -> None:
    old = few("patchcore")
    new = old.update(good(100, 10), say=lambda _: None)
    learnt = new.lineage_["images"]["learnt"]
    patches = 32 * 32 * (old.data_["train"] + learnt)  # 64 px at a stride of 2
    assert len(new.model_.method.memory.members) == round(0.01 * patches)
    assert members(old) & members(new)
    assert len(new.calibration_.scores) == new.lineage_["images"]["held_out"]


def test_the_hybrid_keeps_the_scale_that_its_student_has_learnt(few: Callable[[str], ts.Detector]) -> None:
    old = few("hybrid")
    new = old.update(np.concatenate([good(0, 20), good(100, 10)]), say=lambda _: None)
    before, after = old.model_.method, new.model_.method
    for name in ("mean", "deviation"):
        assert torch.equal(getattr(before.student, name), getattr(after.student, name))
    assert before.scale.ranges[0] == after.scale.ranges[0]
    assert len(members(new)) == len(members(old)) == 50
    assert members(old) & members(new)
    assert members(old) != members(new)
    assert not torch.equal(before.student.layers[0].weight, after.student.layers[0].weight)


@dataclass(frozen=True)
class OnceConfig(GatheringConfig):
    """No settings of its own."""


class Once(Method[OnceConfig]):
    """Gathers, and does not know how to add."""

    Config = OnceConfig

    def stages(self) -> tuple[Stage, ...]:
        return (Stage.gathering(self.config, "gather", lambda batches: None),)

    def forward(self, images: torch.Tensor) -> None:  # type: ignore[override]
        raise NotImplementedError


def test_a_method_that_cannot_add_to_what_it_gathered_says_so() -> None:
    with pytest.raises(ConfigError, match=r"Once cannot be updated: .* twinspect fit"):
        Once(torch.nn.Identity(), OnceConfig()).update_stages(0)  # type: ignore[arg-type]


def test_an_update_is_shorter_and_gentler(few: Callable[[str], ts.Detector]) -> None:
    model = few("mkd").model_
    (usual,) = model.method.stages()
    (stage,) = Start(model, "").stages(model.method, 20, 20)
    assert stage.steps == round(SHARE * usual.total_steps(20))
    assert stage.rate(0.25) == RATE * usual.rate(0.25)
    (asked,) = Start(model, "", steps=17).stages(model.method, 20, 20)
    assert asked.steps == 17
    with pytest.raises(ConfigError, match="steps must be 1 or more, got 0"):
        Start.of(model, 0)


def test_tiles_of_absent_images_count_as_tiles(few: Callable[[str], ts.Detector]) -> None:
    model, asked = few("mkd").model_, list[int]()
    model.method.update_stages = lambda absent: asked.append(absent) or ()  # type: ignore[method-assign,func-returns-value]
    Start(model, "", absent=6).stages(model.method, 5, 20)
    assert asked == [24]
