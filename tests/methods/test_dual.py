"""The dual students: losses against NumPy, what learns from what, one teacher pass, both kinds of teacher."""

from __future__ import annotations

import math
import sys
from copy import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import twinspect as ts
from drawn_parts import blemish, quick, stripes, write_image
from stub_hub import stub_hub
from twinspect import maps
from twinspect.cli import main
from twinspect.data.samples import Sample
from twinspect.errors import ConfigError
from twinspect.methods.base import Batch, Stage
from twinspect.methods.config import config_of_record, make_config, to_record, usual_teacher
from twinspect.methods.dual import Dual, DualConfig, a_fifth
from twinspect.methods.losses import direction_loss, noisy_or_loss, relaxed_loss
from twinspect.methods.mkd import MKDConfig
from twinspect.methods.networks.branch_normalizer import BranchNormalizer
from twinspect.methods.networks.token_decoder import Attention, Perceptron, TokenStudent
from twinspect.methods.schedules import warm_cosine
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher
from twinspect.teachers.rebuilding import sibling
from twinspect.training.batch_plan import choose_held_out
from twinspect.training.trainer import Trainer

if TYPE_CHECKING:
    from twinspect.teachers import Teacher

VIT = "vit_tiny_patch16_224"
KINDS = ["pocket", VIT]


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def teacher_of(name: str) -> Teacher:
    weights = None if name == "pocket" else "random"
    return create_teacher(name, weights=weights, layers=Dual.usual_layers(name))


@pytest.fixture(scope="module", params=KINDS)
def method(request: pytest.FixtureRequest) -> Dual:
    torch.manual_seed(0)
    return Dual(teacher_of(request.param), DualConfig(size=64)).eval()


def batch_of(method: Dual, *shape: int) -> Batch:
    images = picture(*shape)
    return Batch(images, method.targets(images))


def cosine(a: Tensor, b: Tensor) -> float:
    left, right = (tensor.detach().double().numpy().ravel() for tensor in (a, b))
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


# --- losses -----------------------------------------------------------------------------------------


def test_the_relaxed_loss_has_the_value_of_the_plain_one() -> None:
    teacher, student = picture(3, 5, 4, 6), picture(3, 5, 4, 6, seed=1)
    actual = relaxed_loss(teacher, student, easy_share=0.9, easy_weight=0.1)
    torch.testing.assert_close(actual, direction_loss(teacher, student))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9, 1.0])
def test_the_relaxed_loss_weakens_the_gradient_of_the_best_rebuilt_places(share: float) -> None:
    teacher, student = picture(2, 5, 4, 5), picture(2, 5, 4, 5, seed=1).requires_grad_()
    direction_loss(teacher, student).sum().backward()
    assert student.grad is not None
    expected = student.grad.clone()
    places = 1 - torch.nn.functional.cosine_similarity(teacher, student.detach(), dim=1)
    easiest = places.flatten().argsort()[: 40 - int(40 * (1 - share))]
    weight = torch.ones(40)
    weight[easiest] = 0.1
    student.grad = None
    relaxed_loss(teacher, student, easy_share=share, easy_weight=0.1).sum().backward()
    torch.testing.assert_close(student.grad, expected * weight.view(2, 1, 4, 5))


def test_the_noisy_or_loss_is_minus_the_log_of_no_alarm() -> None:
    local, semantic = torch.rand(7, generator=torch.Generator().manual_seed(0)), torch.linspace(0, 0.9, 7)
    p = 1 - (1 - local.double().numpy()) * (1 - semantic.double().numpy())
    assert float(noisy_or_loss([local, semantic])) == pytest.approx(np.mean(-np.log(1 - p)), abs=1e-6)


def test_the_loss_follows_from_what_students_and_teacher_say(method: Dual) -> None:
    batch = batch_of(method, 2, 3, 64, 64)
    with torch.no_grad():
        actual = float(method.loss(batch))
        levels, tokens = method.teacher.describe(batch.images)
        if method.has_tokens:
            groups = [torch.stack(levels[:4]).mean(0), torch.stack(levels[4:8]).mean(0)]
            values = method.students["semantic"].with_class_tokens(batch.images)[1]
        else:
            groups = list(levels)
            values = [level.mean((2, 3)) for level in method.students["semantic"](batch.images)]
        rebuilt = method.students["local"](groups)
    losses = []
    for image in range(2):
        local = np.mean([1 - cosine(t[image], s[image]) for t, s in zip(groups, rebuilt, strict=True)])
        semantic = np.mean(
            [1 - cosine(t[image], s[image]) for t, s in zip(tokens[-len(values) :], values, strict=True)]
        )
        losses.append(-np.log(1 - local / 2) - np.log(1 - semantic / 2))
    assert actual == pytest.approx(np.mean(losses), abs=1e-6)


def test_gradients_reach_both_students_and_nothing_else(method: Dual) -> None:
    method.zero_grad()
    method.loss(batch_of(method, 2, 3, 64, 64)).backward()
    moved = {name for name, p in method.named_parameters() if p.grad is not None and bool(p.grad.abs().any())}
    assert not any(name.startswith("teacher") for name in moved)
    for student in ("local", "semantic"):
        names = [name for name, _ in method.named_parameters() if name.startswith(f"students.{student}.")]
        assert len(moved & set(names)) > 0.8 * len(names)


def test_the_semantic_student_learns_from_class_tokens_alone(method: Dual) -> None:
    """Patch tokens would teach it to copy: changing them all leaves its gradient as it is."""
    batch = batch_of(method, 2, 3, 64, 64)
    maps_only = len([t for t in batch.targets if t.shape[-1] > 1])
    other = tuple(
        picture(*t.shape, seed=9) if index < maps_only else t for index, t in enumerate(batch.targets)
    )
    gradients = []
    for targets in (batch.targets, other):
        method.zero_grad()
        method.loss(batch._replace(targets=targets)).backward()
        gradients.append(
            [p.grad.clone() for p in method.students["semantic"].parameters() if p.grad is not None]
        )
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


# --- scores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("logarithm", [True, False])
@pytest.mark.parametrize(("join", "joined"), [("noisy_or", np.sum), ("larger", np.max)])
def test_the_score_joins_the_branches_by_students_t(
    method: Dual, logarithm: bool, join: Literal["noisy_or", "larger"], joined: Any
) -> None:
    method = copy(method)
    method._modules = {
        **method._modules,
        "spreads": BranchNormalizer(2, "student", logarithm=logarithm, join=join),
    }
    held = [
        Batch(given, method.targets(given), kinds=torch.zeros(len(given), dtype=torch.long))
        for given in (picture(3, 3, 64, 64), picture(2, 3, 64, 64, seed=5))
    ]
    images = picture(4, 3, 64, 64, seed=2)
    with torch.no_grad():
        method.measure(held)
        output = method(images)
        score, raw = method.image_score(output), method.branch_scores(output).double().numpy()
        good = np.concatenate([method.branch_scores(method(b.images)).double().numpy() for b in held])
    if logarithm:
        raw, good = np.log(raw), np.log(good)
    scale = good.std(axis=0, ddof=1) * np.sqrt(1 + 1 / 5)
    expected = joined(-stats.t(4).logsf((raw - good.mean(axis=0)) / scale), axis=1)
    # The tail is Wallace's approximation.
    np.testing.assert_allclose(score, expected, rtol=0.04, atol=0.02)


def test_the_local_score_is_the_mean_of_the_top_of_the_map(method: Dual) -> None:
    images = picture(2, 3, 64, 64)
    with torch.no_grad():
        output = method(images)
        raw = method.branch_scores(output)
    top = np.sort(output.map.flatten(1).numpy(), axis=1)[:, -40:]  # one in a hundred of 4096
    np.testing.assert_allclose(raw[:, 0], top.mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("branch", ["local", "semantic"])
def test_a_branch_scores_the_same_alone_and_with_the_other(name: str, branch: str) -> None:
    teacher = teacher_of(name)
    both = Dual(teacher, DualConfig(size=64)).eval()
    alone = Dual(teacher, make_config(DualConfig, branch, {"size": 64})).eval()
    alone.students.load_state_dict(
        {k: v for k, v in both.students.state_dict().items() if k.startswith(branch)}
    )
    images = picture(3, 3, 64, 64)
    with torch.no_grad():
        output = alone(images)
        raw = both.branch_scores(both(images))
        loss = alone.loss(Batch(images, alone.targets(images)))
    torch.testing.assert_close(alone.image_score(output), raw[:, int(branch == "semantic")])
    assert output.map.shape == (3, 64, 64)
    assert loss.isfinite()
    if branch == "semantic":  # it says that something is wrong, not where
        torch.testing.assert_close(output.map, output.score[:, None, None].expand(-1, 64, 64))


def test_the_teacher_looks_once_at_every_image(method: Dual) -> None:
    looked: list[int] = []
    hook = method.teacher.backbone.register_forward_hook(lambda *_: looked.append(1))
    inner = method.teacher.backbone
    count = []
    if method.has_tokens:
        hook.remove()
        original = inner.net.forward_intermediates
        inner.net.forward_intermediates = lambda *a, **k: (count.append(1), original(*a, **k))[1]
    try:
        with torch.no_grad():
            method(picture(2, 3, 64, 64))
            batch = batch_of(method, 2, 3, 64, 64)
            method.loss(batch)  # from what was kept
    finally:
        hook.remove()
        if method.has_tokens:
            del inner.net.forward_intermediates
    assert len(looked) + len(count) == 2


@pytest.mark.parametrize("shape", [(64, 96), (128, 64), (32, 160)])
def test_images_need_not_be_square(method: Dual, shape: tuple[int, int]) -> None:
    with torch.no_grad():
        actual = method(picture(2, 3, *shape))
        alone = method(picture(2, 3, *shape)[1:])
    assert actual.map.shape == (2, *shape)
    torch.testing.assert_close(alone.map[0], actual.map[1], rtol=1e-4, atol=1e-5)
    scores = method.image_score(actual)
    torch.testing.assert_close(method.image_score(alone)[0], scores[1], rtol=1e-3, atol=1e-3)


def test_top_mean_takes_at_least_the_peak() -> None:
    values = picture(3, 5, 7)
    torch.testing.assert_close(maps.top_mean(values, 0.0), values.flatten(1).amax(1))
    torch.testing.assert_close(maps.top_mean(values, 1.0), values.flatten(1).mean(1))
    expected = np.sort(values.flatten(1).numpy(), axis=1)[:, -7:].mean(axis=1)
    np.testing.assert_allclose(maps.top_mean(values, 0.2), expected, rtol=1e-6)


def test_categories_are_recognised_and_each_has_its_own_distribution() -> None:
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    kinds = torch.tensor([0] * 9 + [1] * 6 + [2])
    centres = torch.eye(3)[kinds] * 5
    descriptions = centres + 0.1 * torch.randn((16, 3), generator=random)
    scores = torch.randn((16, 2), generator=random) + 10.0 * kinds[:, None]
    spreads = BranchNormalizer(2, "student", logarithm=False, join="noisy_or")
    spreads.measure(scores, descriptions, kinds)
    new = torch.tensor([[1.0, 0.5], [11.0, 12.0], [21.0, 20.0]])
    actual = spreads(new, torch.eye(3) * 5).numpy()
    for kind in range(3):
        values = scores[kinds == kind].numpy().astype(float)
        n = len(values)
        deviation = values.std(axis=0, ddof=1) if n > 1 else np.abs(values[0])
        places = (new[kind].numpy() - values.mean(axis=0)) / (deviation * np.sqrt(1 + 1 / n))
        if n > 2:  # below, Wallace's approximation of the tail is rough
            expected = -stats.t(n - 1).logsf(places).sum()
            assert actual[kind] == pytest.approx(expected, rel=0.04)
    assert spreads.nearest_category(descriptions).tolist() == kinds.tolist()
    # As good as its own kind goes: told by pooled scores, the third would be far out and the first beyond suspicion.
    assert actual[2] < 2


def test_kinds_are_told_by_what_hardly_varies_within_them() -> None:
    """The first number differs between kinds by 1 and within them by 0.1; the second varies by 10 in either."""
    random = np.random.default_rng(0)
    kinds = torch.tensor([0, 1] * 20)
    loud = torch.from_numpy(random.normal(0, 10, 40)).float()
    quiet = kinds + torch.from_numpy(random.normal(0, 0.1, 40)).float()
    descriptions = torch.stack([quiet, loud], dim=1)
    spreads = BranchNormalizer(1, "student", logarithm=True, join="noisy_or")
    spreads.measure(torch.zeros(40, 1), descriptions, kinds)
    assert spreads.nearest_category(descriptions).tolist() == kinds.tolist()


def test_kinds_are_saved_whatever_their_number(tmp_path: Path) -> None:
    for kind, shift in (("plain", 0), ("flipped", 1)):
        for number in range(9):
            write_image(
                tmp_path / "data" / kind / "train" / "good" / f"{number}.png",
                np.rot90(stripes(number + 50 * shift), shift),
            )
    fitted = ts.Detector("dual", **quick("dual", steps=4)).fit(tmp_path / "data")
    assert fitted.model_.method.spreads.table.shape == (2, 2, 3)
    fitted.save(tmp_path / "m.twin")
    loaded = ts.load(tmp_path / "m.twin")
    images = np.stack([stripes(n) for n in range(3)])
    np.testing.assert_array_equal(fitted.score(images).image, loaded.score(images).image)


def test_every_category_has_its_share_of_the_images_that_are_held_out() -> None:
    names = ["a"] * 20 + ["b"] * 3
    given = [replace(sample, category=name) for sample, name in zip(samples(23), names, strict=True)]
    counted: list[int] = []

    def watch(measure: Any) -> Any:
        def noting(batches: list[Batch]) -> None:
            counted.extend(torch.cat([b.kinds for b in batches if b.kinds is not None]).tolist())
            measure(batches)

        return noting

    trained(DualConfig(size=64, steps=2, batch_size=4), given, measure=watch)
    assert counted == [0] * 6 + [1]


# --- the students of a transformer ------------------------------------------------------------------


def test_linear_attention_is_the_weighted_mean_it_is_said_to_be() -> None:
    torch.manual_seed(0)
    layer, tokens = Attention(128, linear=True).eval(), picture(2, 9, 128)
    with torch.no_grad():
        actual = layer(tokens)
        query, key, value = (
            layer.to_qkv(tokens).double().numpy().reshape(2, 9, 3, 2, 64).transpose(2, 0, 3, 1, 4)
        )
        positive = [np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))) for x in (query, key)]
        weights = positive[0] @ positive[1].swapaxes(2, 3)
        mixed = weights / weights.sum(axis=3, keepdims=True) @ value
        expected = layer.out(torch.from_numpy(mixed.transpose(0, 2, 1, 3).reshape(2, 9, 128)).float())
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_the_decoder_rebuilds_groups_as_in_a_mirror() -> None:
    """The first blocks rebuild the deepest group: without the later ones it stays, and the shallow one changes."""
    torch.manual_seed(0)
    student = TokenStudent(64, groups=2, blocks=4, dropout=0.2, linear=True).eval()
    levels = [picture(1, 64, 3, 5), picture(1, 64, 3, 5, seed=1)]
    with torch.no_grad():
        shallow, deep = student(levels)
        for weights in student.blocks[3].parameters():
            weights.add_(0.1)
        changed, same = student(levels)
    assert shallow.shape == (1, 64, 3, 5)
    assert torch.equal(deep, same)
    assert not torch.allclose(shallow, changed)


def test_the_bottleneck_is_noisy_only_while_training() -> None:
    torch.manual_seed(0)
    layer, tokens = Perceptron(16, 0.5), picture(1, 4, 16)
    assert not torch.equal(layer(tokens), layer(tokens))
    layer.eval()
    assert torch.equal(layer(tokens), layer(tokens))


def test_softmax_attention_can_be_chosen() -> None:
    teacher = teacher_of(VIT)
    torch.manual_seed(0)
    linear = Dual(teacher, DualConfig(size=64)).eval()
    torch.manual_seed(0)
    usual = Dual(teacher, DualConfig(size=64, attention="softmax")).eval()
    images = picture(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(linear(images).map, usual(images).map)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        (
            "vit_base_patch14_reg4_dinov2.lvd142m",
            (2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
        ),  # of 12: Dinomaly's, and the last 4
        ("vit_large_patch14_reg4_dinov2", (4, 6, 8, 10, 12, 14, 16, 18, 20, 21, 22, 23)),
        ("resnet18", None),
        ("pocket", None),
        ("vgg16", None),
    ],
)
def test_a_transformer_is_read_in_the_middle_and_at_its_end(
    name: str, layers: tuple[int, ...] | None
) -> None:
    assert Dual.usual_layers(name) == layers


def test_the_usual_teacher_is_dinov2_where_it_does_not_take_days() -> None:
    assert usual_teacher(DualConfig, on_cpu=False) == "vit_base_patch14_reg4_dinov2.lvd142m"
    assert usual_teacher(DualConfig, on_cpu=True) == usual_teacher(MKDConfig, on_cpu=False) == "resnet18"


def test_position_embeddings_are_resampled_once_and_say_the_same() -> None:
    images = picture(1, 3, 64, 64)
    teacher = create_teacher(VIT, weights="random")
    with torch.no_grad():
        before = teacher(images)
        model = Model.build("dual", DualConfig(size=64), teacher)
        after = model.method.teacher(images)
        # Not to the bit on every processor: the networks are laid out channels last in between.
        torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)
        for network in (model.method.teacher.backbone, model.method.students["semantic"]):
            assert network.net.pos_embed.shape[1] == 1 + 4 * 4  # and not the 14 x 14 it was made for
        assert model.method.students["semantic"].net.pos_embed.requires_grad
        assert not model.method.teacher.backbone.net.pos_embed.requires_grad
        wide = model.method.teacher(picture(1, 3, 64, 96))
        assert wide[0].shape == (1, 192, 4, 6)
        Model.build("dual", DualConfig(size=96), teacher)
        larger = picture(1, 3, 96, 96)
        fresh = create_teacher(VIT, weights="random")(larger)
        torch.testing.assert_close(teacher(larger), fresh, rtol=1e-5, atol=1e-5)


def test_weights_from_the_hub_are_those_of_the_middle_and_the_last_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: Path
) -> None:
    """The path of those who reach the hub, with a stand-in for it on the loopback interface."""
    import huggingface_hub.constants
    import timm
    from safetensors.torch import save

    whole = timm.create_model(VIT)
    content = save(dict(whole.state_dict()))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    name = f"{VIT}.augreg_in21k"
    with stub_hub({f"timm/{name}/model.safetensors": content}) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        out = tmp_path / "m.twin"
        settings = ["--method", "dual", "--size", "32", "--steps", "2", "--batch_size", "4"]
        code = main(["fit", str(parts), "--out", str(out), *settings, "--device", "cpu", "--teacher", name])
        assert code == 0
        assert any(request.startswith("GET") for request in served.asked)
    teacher = ts.load(out).model_.method.teacher
    assert [level.name for level in teacher.levels] == [f"blocks.{n}" for n in range(2, 12)]
    weights = whole.state_dict()
    for key, value in teacher.backbone.net.state_dict().items():
        assert torch.equal(value, weights[key]) or key == "pos_embed"  # which was resampled


# --- siblings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pocket", VIT, "resnet18"])
def test_a_sibling_is_built_like_the_teacher_and_may_learn(name: str) -> None:
    teacher = create_teacher(name, weights="random", seed=0)
    names = [level.name for level in teacher.levels]
    one, same, other = (sibling(teacher, names, seed) for seed in (1, 1, 2))
    shapes = {key: value.shape for key, value in teacher.backbone.state_dict().items()}
    assert {key: value.shape for key, value in one.state_dict().items()} == shapes
    assert all(p.requires_grad for p in one.parameters())
    first, again, third, values = (
        torch.cat([p.flatten() for p in n.parameters()]) for n in (one, same, other, teacher)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, third)
    assert not torch.equal(first, values)


def test_the_semantic_student_follows_the_seed_and_never_repeats_a_random_teacher() -> None:
    teacher = create_teacher("pocket", weights="random", seed=0)
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        student = Dual(teacher, DualConfig(size=64)).students["semantic"]
        weights.append(torch.cat([p.flatten() for p in student.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], torch.cat([p.flatten() for p in teacher.parameters()]))


# --- training ---------------------------------------------------------------------------------------


def samples(count: int) -> list[Sample]:
    return [Sample(Path(f"{n}"), f"{n}", "train", pixels=stripes(n)) for n in range(count)]


def trained(config: DualConfig, given: list[Sample] | None = None, **spies: Any) -> Model:
    torch.manual_seed(0)
    model = Model.build("dual", config, create_teacher("pocket"))
    for name, spy in spies.items():
        setattr(model.method, name, spy(getattr(model.method, name)))
    trainer = Trainer(device="cpu", workers=1)
    trainer.fit(model, trainer.read(model, given or samples(20)))
    return model


def test_branches_are_measured_on_images_that_neither_learnt_from() -> None:
    learnt: list[Tensor] = []
    measured: list[Tensor] = []

    def watch_loss(loss: Any) -> Any:
        return lambda batch: (learnt.append(batch.images), loss(batch))[1]

    def watch_settle(measure: Any) -> Any:
        return lambda batches: (measured.extend(b.images for b in batches), measure(batches))[1]

    config = DualConfig(size=64, steps=8, batch_size=4)
    model = trained(config, loss=watch_loss, measure=watch_settle)
    held = torch.cat(measured)
    assert len(held) == a_fifth(20) == 6
    shown = torch.cat(learnt)
    assert not any(torch.equal(one, two) for one in held for two in shown)
    assert model.method.spreads.table[0, :, 2].tolist() == [5, 5]
    assert (model.method.spreads.table[..., 1] > 0).all()


def test_a_single_branch_learns_from_all_images() -> None:
    learnt: list[Tensor] = []

    def watch(loss: Any) -> Any:
        return lambda batch: (learnt.append(batch.images), loss(batch))[1]

    trained(DualConfig(size=64, steps=5, batch_size=4, branch="semantic"), loss=watch)
    assert len(torch.cat(learnt).flatten(1).unique(dim=0)) == 20


@pytest.mark.parametrize(("images", "count"), [(1, 1), (3, 1), (6, 2), (23, 7), (31, 8), (40, 8), (200, 40)])
def test_a_fifth_is_held_out_and_of_few_images_more(images: int, count: int) -> None:
    assert a_fifth(images) == count
    assert len(choose_held_out(images, 0, a_fifth)) == count


def test_the_gradient_of_each_student_is_clipped_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[list[float]] = []
    step = torch.optim.AdamW.step
    students: list[nn.Module] = []
    stages = Dual.stages

    def noting(self: Dual) -> tuple[Stage, ...]:
        students[:] = self.students.values()
        return stages(self)

    def watch(self: torch.optim.AdamW, *args: Any) -> Any:
        gradients = [[p.grad.flatten() for p in s.parameters() if p.grad is not None] for s in students]
        norms.append([float(torch.cat(each).norm()) for each in gradients])
        return step(self, *args)

    monkeypatch.setattr(Dual, "stages", noting)
    monkeypatch.setattr(torch.optim.AdamW, "step", watch)
    for clip in (0.05, 0.0):
        trained(DualConfig(size=64, steps=3, batch_size=4, clip=clip, optimizer="adamw"))
    clipped, free = norms[:3], norms[3:]
    assert min(free[0]) > 0.06  # either would be clipped, whatever the other does
    assert clipped[0] == pytest.approx([0.05, 0.05], rel=0.01)
    assert max(map(max, clipped)) <= 0.05 * 1.001


def test_an_earlier_models_distributions_are_of_plain_scores() -> None:
    record = to_record(DualConfig())
    for name in ("logarithm", "join", "blocks"):
        del record[name]
    config = config_of_record(DualConfig, record)
    assert (config.logarithm, config.join, config.blocks) == (False, "noisy_or", "mirror")


def test_students_t_of_logarithms_holds_what_it_says_on_skewed_scores() -> None:
    """Scores as cosine distances are distributed: of good images one in a hundred has p above 0.99."""
    random = torch.Generator().manual_seed(0)
    scores = (0.35 * torch.randn(20_040, 1, generator=random)).exp()
    shares = {}
    for logarithm in (True, False):
        spreads = BranchNormalizer(1, "student", logarithm=logarithm, join="noisy_or")
        spreads.measure(scores[:40], torch.zeros(40, 1), torch.zeros(40, dtype=torch.long))
        shares[logarithm] = float(
            (spreads(scores[40:], torch.zeros(20_000, 1)) > -math.log(0.01)).float().mean()
        )
    assert shares[True] == pytest.approx(0.01, abs=0.006)
    assert shares[False] > 1.5 * shares[True]


def test_easy_places_are_introduced_little_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []

    def watch(teacher: Tensor, student: Tensor, *, easy_share: float, easy_weight: float) -> Tensor:
        shares.append(easy_share)
        return relaxed_loss(teacher, student, easy_share=easy_share, easy_weight=easy_weight)

    monkeypatch.setattr(sys.modules[Dual.__module__], "relaxed_loss", watch)
    trained(DualConfig(size=64, steps=10, batch_size=4, easy_warmup=0.5, easy_share=0.8))
    by_step = shares[::3]  # three levels
    assert by_step == pytest.approx([0.8 * min(1, n / 10 / 0.5) for n in range(10)])


def test_the_step_size_rises_and_falls() -> None:
    values = [warm_cosine(done / 100, warm=0.1, last=0.2) for done in range(100)]
    assert values[0] < 0.02
    assert values[10] == pytest.approx(1)
    assert all(a < b for a, b in pairwise(values[:11]))
    assert all(a > b for a, b in pairwise(values[10:]))
    assert warm_cosine(0.55, warm=0.1, last=0.2) == pytest.approx(0.6)  # half way down
    assert values[-1] == pytest.approx(0.2, abs=0.01)
    assert warm_cosine(0.0, warm=0.0, last=0.5) == 1


def test_a_transformer_is_fitted_saved_and_loaded(tmp_path: Path) -> None:
    settings = quick("dual", steps=25) | {"teacher": VIT, "weights": "random"}
    good = np.stack([stripes(n) for n in range(16)])
    first = ts.Detector("dual", **settings).fit(good)
    second = ts.Detector("dual", **settings).fit(good)
    losses = first.losses_["distil"]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    state, again = first.model_.state_dict(), second.model_.state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)
    first.save(tmp_path / "m.twin")
    images = np.stack([blemish(stripes(n)) for n in range(3)])
    one, two = first.score(images), ts.load(tmp_path / "m.twin").score(images)
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.map, two.map)  # type: ignore[arg-type]


# --- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"branch": "global"}, "branch must be one of 'both', 'local', 'semantic'"),
        ({"dropout": 1.0}, "dropout must be 0 or more and below 1"),
        ({"easy_share": 1.5}, "easy_share must be in 0..1"),
        ({"semantic_levels": 0}, "semantic_levels must be 1 or more"),
        ({"clip": -1.0}, "clip must be 0 or more"),
        ({"tail": "cauchy"}, "tail must be one of 'student', 'normal', 'logistic'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config(DualConfig, None, settings)


def test_sizes_that_a_decoder_cannot_halve_are_refused_but_not_for_the_semantic_student_alone() -> None:
    teacher = create_teacher("pocket")
    with pytest.raises(ConfigError, match="dual with pocket needs a size that is a multiple of 32"):
        Model.build("dual", DualConfig(size=80), teacher)
    Model.build("dual", DualConfig(size=80, branch="semantic"), teacher)


def test_a_transformers_patches_must_fit(parts: Path) -> None:
    with pytest.raises(ConfigError, match="multiples of 16 pixels"):
        ts.Detector("dual", **quick("dual", 1) | {"teacher": VIT, "weights": "random", "size": 72}).fit(parts)
