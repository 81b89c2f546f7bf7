"""Patch description networks: their layers against the paper's, and the script that distils them."""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import r2_score
from torch import Tensor, nn

from twinspect.errors import ConfigError, TeacherError
from twinspect.teachers import Teacher, create_teacher, teachers
from twinspect.teachers.pdn.network import PatchDescriptionNetwork
from twinspect.teachers.rebuilding import sibling, teacher_from_spec

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "pocket"
NAMES = ("pdn_small", pytest.param("pdn_medium", marks=pytest.mark.slow))


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@cache
def random_teacher(name: str = "pdn_small") -> Teacher:
    """A network of random weights, made once; tests must not change it."""
    return create_teacher(name, weights="random")


@pytest.mark.parametrize("name", NAMES)
def test_the_listing_agrees_with_the_network(name: str) -> None:
    row, teacher = teachers()[name], random_teacher(name)
    assert row.levels == teacher.levels
    assert row.params == sum(parameter.numel() for parameter in teacher.parameters())
    assert not row.offline


@pytest.mark.parametrize("size", ["small", "medium"])
def test_a_feature_sees_33_pixels_to_a_side(size: Any) -> None:
    network = PatchDescriptionNetwork(size, 1, 0.02).double()
    with torch.no_grad():
        for parameter in network.parameters():  # every path counts, none is cut by a ReLU
            parameter.fill_(1.0)
    image = torch.zeros(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    network(image)[0][0, 0, 16, 16].backward()
    assert image.grad is not None
    seen = image.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert len(seen) == int(seen[-1] - seen[0]) + 1 == 33


@pytest.mark.parametrize("side", [32, 33, 46, 63, 64, 100])
def test_locations_are_counted_as_the_network_makes_them(side: int) -> None:
    network = PatchDescriptionNetwork("small", 2, 0.02)
    assert network(torch.zeros(1, 3, side, 40))[0].shape == (1, 2, network.locations(side), 10)


def test_features_are_those_of_the_layers_written_out_by_hand() -> None:
    teacher = random_teacher()
    weights = [m for m in teacher.modules() if isinstance(m, nn.Conv2d)]
    x = picture(1, 3, 64, 48)
    for number, (layer, padding) in enumerate(zip(weights, (3, 3, 1, 0), strict=True)):
        x = nn.functional.conv2d(x, layer.weight, layer.bias, padding=padding)
        x = x.relu() if number < 3 else x
        x = nn.functional.avg_pool2d(x, 2, padding=1) if number < 2 else x
    torch.testing.assert_close(teacher(picture(1, 3, 64, 48))[0], x)


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_one_line_says_what_to_type(name: str) -> None:
    with pytest.raises(
        TeacherError, match=f"teacher {name}: no weights .*: --weights FILE .* 'random'"
    ) as caught:
        create_teacher(name)
    assert "\n" not in str(caught.value)


def test_its_only_level_has_a_name_and_a_number(tmp_path: Path) -> None:
    torch.save(random_teacher().backbone.state_dict(), tmp_path / "s.pth")
    for layers in ([1], ["patches"]):
        teacher = create_teacher("pdn_small", weights=tmp_path / "s.pth", layers=layers)
        assert teacher.levels[0].channels == 384
    with pytest.raises(ConfigError, match="1=patches"):
        create_teacher("pdn_small", weights="random", layers=[2])


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    torch.save(random_teacher().backbone.state_dict(), tmp_path / "s.pth")
    with pytest.raises(TeacherError, match="does not fit pdn_medium"):
        create_teacher("pdn_medium", weights=tmp_path / "s.pth")


def test_it_is_built_again_from_its_record_and_has_siblings() -> None:
    teacher = random_teacher()
    again = teacher_from_spec(teacher.spec())
    again.load_state_dict(teacher.state_dict())
    assert torch.equal(teacher(picture(1, 3, 32, 32))[0], again(picture(1, 3, 32, 32))[0])
    other = sibling(teacher, ["patches"], seed=5)
    assert not torch.equal(other.layers[0].weight, teacher.backbone.layers[0].weight)


# --- the script -----------------------------------------------------------------------------------


@cache
def untrained_expert() -> Teacher:
    """An expert of random weights, made once; tests must not change it."""
    return create_teacher("resnet18", weights="random", layers=[2, 3])


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script with small sources, small batches, a narrow network and an untrained expert."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import batches
    import train_pdn
    from sources import Source

    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (60, 70, 3), dtype=np.uint8) for _ in range(4)]
    monkeypatch.setattr(train_pdn, "collect", lambda *_: ([Source.of("noise", 1.0, images)], images[:2]))
    expert = untrained_expert()
    monkeypatch.setattr(train_pdn, "create_teacher", lambda *_args, **_kwargs: expert)
    monkeypatch.setattr(
        train_pdn,
        "PatchDescriptionNetwork",
        lambda size, channels: PatchDescriptionNetwork(size, channels, 0.1),
    )
    monkeypatch.setattr(train_pdn, "SIDES", (64, 64, 64))
    monkeypatch.setattr(train_pdn, "SAMPLED", 2)
    monkeypatch.setattr(batches, "USUAL", 64)
    return train_pdn


def options(out: Path) -> argparse.Namespace:
    return argparse.Namespace(
        shared=out,
        out=out,
        network="small",
        steps=4,
        drawn=0,
        device="cpu",
        batch=2,
        rate=1e-3,
        every=2,
        seed=0,
    )


def test_a_distillation_that_was_stopped_ends_with_the_same_weights(script: Any, tmp_path: Path) -> None:
    def training(out: str) -> Any:
        torch.manual_seed(0)
        return script.Training(options(tmp_path / out))

    training("whole").run()
    half = training("halves")
    half.views.count = 2  # as if stopped after two of the four steps
    half.run()
    training("halves").run()
    ours, theirs = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "halves"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    best = load_file(tmp_path / "whole" / "best.safetensors")
    assert {tensor.dtype for tensor in best.values()} == {torch.float16}
    assert best.keys() == PatchDescriptionNetwork("small").state_dict().keys()


def test_targets_have_mean_0_and_deviation_1(script: Any) -> None:
    sample = [
        torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))
        for n in range(2)
    ]
    expert = script.Expert(script.create_teacher(), sample)
    targets = torch.cat([expert(images) for images in sample])
    assert targets.shape == (4, 384, 8, 8)
    np.testing.assert_allclose(targets.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(targets.std((0, 2, 3)), 1, atol=1e-3)


def test_the_share_of_variance_explained_agrees_with_scikit_learn(script: Any) -> None:
    target = picture(3, 5, 8, 8)
    answer = target + 0.3 * picture(3, 5, 8, 8, seed=1)
    rows = [maps.permute(0, 2, 3, 1).reshape(-1, 5).numpy() for maps in (target, answer)]
    expected = r2_score(*rows, multioutput="variance_weighted")
    assert script.explained(answer, target) == pytest.approx(expected, abs=4e-3)  # n against n - 1
