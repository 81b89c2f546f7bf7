"""The preset edge: light students rebuild or imitate the same levels with a fraction of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import twinspect as ts
from drawn_parts import quick
from twinspect.methods import method_class
from twinspect.methods.aand import AAND, AANDConfig
from twinspect.methods.base import Batch, Method
from twinspect.methods.config import config_of_record, make_config
from twinspect.methods.rd import RDConfig
from twinspect.methods.stfpm import STFPM
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = ("rd", "aand", "stfpm")


def method_of(name: str, preset: str | None, teacher: str = "pocket", **settings: Any) -> Method[Any]:
    torch.manual_seed(0)
    cls = method_class(name)
    network = create_teacher(teacher, weights=None if teacher == "pocket" else "random")
    return cls(network, make_config(cls.Config, preset, {"size": 64, **settings})).eval()


def seen_by_student(method: Method[Any], images: Tensor) -> Tensor | list[Tensor]:
    return images if isinstance(method, STFPM) else list(method.targets(images))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("teacher", ["pocket", "mobilenetv2_100", "convnext_tiny", "resnet50", "vgg11"])
def test_levels_have_the_shapes_and_signs_of_any_teacher(name: str, teacher: str) -> None:
    method, images = method_of(name, "edge", teacher), torch.randn(2, 3, 64, 128)
    student: Any = method.student
    with torch.no_grad():
        levels = student(seen_by_student(method, images))
    assert [level.shape for level in levels] == [level.shape for level in method.targets(images)]
    for level, rebuilt in zip(method.teacher.levels, levels, strict=True):
        assert bool((rebuilt < 0).any()) == level.signed


def work(call: Callable[[], object]) -> int:
    """Count floating point operations of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", METHODS)
def test_a_light_student_takes_less_than_a_quarter_of_the_teacher_s_work(name: str) -> None:
    method, images = method_of(name, "edge"), torch.randn(1, 3, 256, 256)
    student: Any = method.student
    seen = seen_by_student(method, images)
    assert work(lambda: student(seen)) < work(lambda: method.teacher(images)) / 4


def test_light_gates_and_generators_take_less_than_a_ninth_of_the_authors_work() -> None:
    images = torch.randn(1, 3, 256, 256)
    light, full = (method_of("aand", preset) for preset in ("edge", None))
    assert isinstance(light, AAND)
    assert isinstance(full, AAND)
    levels = light.targets(images)
    assert work(lambda: light.amplified(levels)) < work(lambda: full.amplified(levels)) / 9


def test_an_untrained_light_generator_leaves_features_as_they_are() -> None:
    method = method_of("aand", "edge")
    assert isinstance(method, AAND)
    levels = method.targets(torch.randn(1, 3, 64, 64))
    torch.testing.assert_close(method.amplified(levels), list(levels), rtol=0, atol=0)


def test_light_gates_and_generators_learn_in_stage_one() -> None:
    method, images = method_of("aand", "edge"), torch.randn(2, 3, 64, 64)
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    masks[:, :32] = True
    optimizer = torch.optim.Adam(method.amplifiers.parameters(), 1e-3)
    given = Batch(images, tuple(method.targets(images)), masks=masks)
    for _ in range(2):  # the first step moves the generators' last layer alone, as it starts at zero
        optimizer.zero_grad()
        method.stages()[0].loss(given).backward()
        optimizer.step()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in method.amplifiers.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_every_weight_of_a_light_student_learns(name: str) -> None:
    method, images = method_of(name, "edge"), torch.randn(2, 3, 64, 64)
    student: Any = method.student
    student.train()
    method.stages()[-1].loss(Batch(images, tuple(method.targets(images)))).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in student.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_the_preset_fits_scores_and_comes_back_from_a_folder(name: str, parts: Any, tmp_path: Any) -> None:
    detector = ts.Detector(name, preset="edge", **quick(name, 2)).fit(parts)
    detector.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    assert loaded.model_.method.config.student == "light"
    images = sorted((parts / "test").rglob("*.png"))[:3]
    assert list(loaded.score(images).image) == list(detector.score(images).image)


def test_models_of_before_have_the_full_student() -> None:
    assert config_of_record(RDConfig, {"size": 256}).student == "full"
    assert config_of_record(AANDConfig, {"size": 256, "student": "light"}).amplifier == "full"
