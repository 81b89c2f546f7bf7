"""DeSTSeg: its networks against timm's, its losses against NumPy, clean targets beside corrupted images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

import twinspect as ts
from drawn_parts import quick
from tensors import count, picture
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch
from twinspect.methods.destseg import DeSTSeg, DeSTSegConfig
from twinspect.methods.networks.segmentation_head import SegmentationHead
from twinspect.model.whole_image import Model
from twinspect.synthesis import Synthesizer
from twinspect.teachers import create_teacher
from twinspect.training.batches import TrainingImages
from twinspect.utils.progress import NoProgress

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 64


@pytest.fixture(scope="module")
def method() -> DeSTSeg:
    torch.manual_seed(0)
    return DeSTSeg(create_teacher("pocket"), DeSTSegConfig(size=SIDE, width=8)).eval()


def cosines(one: Tensor, two: Tensor) -> NDArray[np.float64]:
    a, b = (each.detach().numpy().astype(np.float64) for each in (one, two))
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


# --- networks -------------------------------------------------------------------------------------


def test_the_students_encoder_has_the_parameters_of_a_resnet18() -> None:
    student = DeSTSeg(create_teacher("resnet18", weights="random"), DeSTSegConfig(width=8)).student
    whole = timm.create_model("resnet18", num_classes=0)
    assert count(student.encoder) + count(student.deepest) == count(whole)
    blocks = [count(stage) for stage in student.stages]
    # Two basic blocks each: 3x3 convolutions and their BatchNorm, a 1x1 shortcut where channels change.
    assert blocks == [
        4 * (512 * 512 * 9 + 2 * 512),
        512 * 256 * 9 + 3 * 256 * 256 * 9 + 512 * 256 + 5 * 2 * 256,
        256 * 128 * 9 + 3 * 128 * 128 * 9 + 256 * 128 + 5 * 2 * 128,
        128 * 64 * 9 + 3 * 64 * 64 * 9 + 128 * 64 + 5 * 2 * 64,
    ]


def test_the_student_starts_from_other_weights_than_a_random_teacher() -> None:
    teacher = create_teacher("test_resnet", weights="random")
    student = DeSTSeg(teacher, DeSTSegConfig(size=SIDE, width=8)).student
    theirs, ours = teacher.backbone.state_dict(), student.encoder.state_dict()
    assert theirs.keys() == ours.keys()
    assert not any(torch.equal(theirs[name], ours[name]) for name in ours if theirs[name].ndim == 4)
    assert all(parameter.requires_grad for parameter in student.parameters())


@pytest.mark.parametrize("side", [64, 72, 100])
@pytest.mark.parametrize("name", ["pocket", "test_resnet", "mobilenetv2_100"])
def test_any_teacher_is_imitated_at_any_size(name: str, side: int) -> None:
    teacher = create_teacher(name, weights="random")
    method = DeSTSeg(teacher, DeSTSegConfig(size=side, width=8)).eval()
    images = picture(1, 3, side, side)
    with torch.no_grad():
        levels, imitated = teacher(images), method.student(images)
        assert method(images).map.shape == (1, side, side)
    assert [level.shape for level in imitated] == [level.shape for level in levels]
    assert [bool((level < 0).any()) for level in imitated] == [level.signed for level in teacher.levels]


def test_the_pyramid_sees_at_three_distances_and_everything() -> None:
    head = SegmentationHead(4, 8).eval()
    pyramid = head.head[0]
    rates = [branch[0].dilation[0] for branch in pyramid.branches]
    assert rates == [1, 6, 12, 18]
    features = picture(1, 8, 40, 40).requires_grad_()
    pyramid(features)[0, :, 20, 20].sum().backward()
    assert features.grad is not None
    assert (features.grad != 0).any(dim=1).all()  # by the mean of the whole map


def test_a_head_learns_from_a_single_image() -> None:
    assert SegmentationHead(4, 8).train()(picture(1, 4, 16, 16)).shape == (1, 16, 16)


def test_smaller_sizes_are_refused(method: DeSTSeg) -> None:
    with pytest.raises(ConfigError, match=r"pocket needs a size of 64 or more, got 48x48; type: --size 64"):
        method.check_size(48, 48)


# --- losses ---------------------------------------------------------------------------------------


def test_the_students_loss_is_that_of_the_authors_batch_of_32(method: DeSTSeg) -> None:
    images = picture(2, 3, SIDE, SIDE)
    targets = method.targets(picture(2, 3, SIDE, SIDE, seed=1))
    with torch.no_grad():
        loss, student = method.denoising_loss(Batch(images, targets)), method.student(images)
    # Summed over a batch of 32 such images, averaged over locations, summed over levels.
    each = [(1 - cosines(t, s)).mean((1, 2)).sum() * 16 for t, s in zip(targets, student, strict=True)]
    assert loss.item() == pytest.approx(sum(each), rel=1e-4)


def test_products_are_minus_those_of_unit_features(method: DeSTSeg) -> None:
    images = picture(2, 3, SIDE, SIDE)
    targets = method.targets(images)
    with torch.no_grad():
        products, student = method.products(images, targets), method.student(images)
    assert products.shape == (2, 64 + 128 + 256, 16, 16)
    np.testing.assert_allclose(products[:, :64].sum(1), -cosines(targets[0], student[0]), atol=1e-5)
    middle = nn.functional.interpolate(
        torch.from_numpy(-cosines(targets[1], student[1]))[:, None], (16, 16), mode="bilinear"
    )[:, 0]
    np.testing.assert_allclose(products[:, 64:192].sum(1), middle, atol=1e-5)


def test_the_heads_loss_is_focal_without_weights_plus_the_mean_difference(
    method: DeSTSeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = picture(2, 16, 16)
    monkeypatch.setattr(method.segmentation, "forward", lambda _: logits)
    masks = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    masks[0, 8:20, 12:40] = True
    masks[1, 2:5, 2:6] = True
    images = picture(2, 3, SIDE, SIDE)
    loss = method.segmentation_loss(Batch(images, method.targets(images), masks))
    share = masks.numpy().reshape(2, 16, 4, 16, 4).mean((2, 4))
    truth = share >= 0.5
    probability = 1 / (1 + np.exp(-logits.double().numpy()))
    right = np.where(truth, probability, 1 - probability)
    expected = (-((1 - right) ** 4) * np.log(right)).mean() + np.abs(probability - truth).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_blocks_and_head_have_step_sizes_of_their_own(method: DeSTSeg) -> None:
    student, head = method.stages()
    assert [group["lr"] for group in student.optimizer(student.parameters()).param_groups] == [0.4]
    groups = head.optimizer(head.parameters()).param_groups
    assert [(group["lr"], group["momentum"], group["weight_decay"]) for group in groups] == [
        (0.1, 0.9, 1e-4), (0.01, 0.9, 1e-4),
    ]  # fmt: skip
    learnt = {id(parameter) for group in groups for parameter in group["params"]}
    assert learnt == {id(parameter) for parameter in head.parameters()}


# --- clean and corrupted --------------------------------------------------------------------------


@pytest.mark.parametrize("cached", [0, 2, 100])
def test_clean_targets_are_those_of_the_images_without_anomalies(cached: int, parts: Path) -> None:
    torch.manual_seed(0)
    model = Model.build("destseg", DeSTSegConfig(size=SIDE, width=8), create_teacher("pocket"))
    samples = ts.data.open_data(parts).split("train")[:6]
    images = TrainingImages(model, samples, torch.device("cpu"), workers=1)
    per_image = 4 * (3 * SIDE**2 + 64 * 16**2 + 128 * 8**2 + 256 * 4**2)
    images.fill_cache(cached * per_image, NoProgress())
    synthesizer = Synthesizer(normal_share=0.0)
    plan = [(0, [3, 5]), (2, [1, 0])]
    clean = list(images.synthetic_batches(plan, synthesizer, clean=True))
    corrupted = list(images.synthetic_batches(plan, synthesizer))
    original = list(images.batches([numbers for _, numbers in plan]))
    for ours, theirs, wanted in zip(clean, corrupted, original, strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert ours.masks is not None
        assert ours.masks.flatten(1).any(1).all()  # every image has an anomaly
        for one, two, three in zip(ours.targets, wanted.targets, theirs.targets, strict=True):
            torch.testing.assert_close(
                one, two, rtol=2**-10 if cached == 2 else 1e-4, atol=1e-5
            )  # half precision
            assert not torch.allclose(one, three, rtol=1e-2)


def test_the_student_stays_as_it_is_while_the_head_learns(parts: Path) -> None:
    short = ts.Detector("destseg", **{**quick("destseg", 3), "steps": 4, "student_steps": 3}).fit(parts)
    longer = ts.Detector("destseg", **{**quick("destseg", 3), "steps": 6, "student_steps": 3}).fit(parts)
    one, two = (each.model_.method.state_dict() for each in (short, longer))
    assert all(torch.equal(one[name], two[name]) for name in one if name.startswith("student."))
    assert not all(torch.equal(one[name], two[name]) for name in one if name.startswith("segmentation."))


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "lengths"),
    [
        ({}, (80, 160)),
        ({"preset": "paper"}, (1000, 4000)),
        ({"steps": 5000}, (1000, 4000)),
        ({"steps": 50, "student_steps": 30}, (30, 20)),
        ({"student_steps": 7}, (7, 160)),
    ],
)
def test_a_length_is_divided_as_the_authors_do(parameters: dict[str, Any], lengths: tuple[int, int]) -> None:
    config = ts.Detector("destseg", device="cpu", **parameters).config()
    assert isinstance(config, DeSTSegConfig)
    assert (config.student_steps, config.steps) == lengths
    assert config.total_steps(100) == sum(lengths)


def test_passes_are_divided_too() -> None:
    config = ts.Detector("destseg", device="cpu", epochs=10, batch_size=8).config()
    assert config.total_steps(20) == 2 * 3 + 8 * 3


def test_a_student_that_takes_all_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="stage I takes 30 of it; give more steps, or a smaller student_steps"
    ):
        ts.Detector("destseg", device="cpu", steps=30, student_steps=30).config()


def test_the_image_score_is_the_mean_of_100_pixels_of_256_squared(method: DeSTSeg) -> None:
    from twinspect.methods.base import Output

    values = picture(2, 256, 256)
    highest = np.sort(values.numpy().reshape(2, -1), axis=1)[:, -100:]
    np.testing.assert_allclose(method.image_score(Output(values)), highest.mean(1), rtol=1e-6)
