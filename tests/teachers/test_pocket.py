"""The pocket teacher: what ships, the network against one written out by hand, and its training script."""

from __future__ import annotations

import argparse
import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from twinspect.errors import ConfigError, TeacherError
from twinspect.teachers import Teacher, create_teacher, hub, teachers
from twinspect.teachers.auto import best_at_hand
from twinspect.teachers.pocket import network as network_module
from twinspect.teachers.pocket.network import NAMES, PLAN, STEM, PocketNetwork
from twinspect.teachers.pocket.teacher import WEIGHTS
from twinspect.teachers.random_weights import calibrate_batchnorm, pink_noise
from twinspect.teachers.rebuilding import teacher_from_spec

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "pocket"
CARD = WEIGHTS.with_name("CARD.md")
MEGABYTE = 10**6


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the training script is where imports are looked for, as when the script is run."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


# --- what ships -----------------------------------------------------------------------------------


def test_the_file_is_small_half_precision_and_complete() -> None:
    assert WEIGHTS.stat().st_size <= 8 * MEGABYTE
    tensors = load_file(WEIGHTS)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert tensors.keys() == PocketNetwork().state_dict().keys()
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_the_file_says_how_it_was_made() -> None:
    with safe_open(WEIGHTS, framework="pt") as file:
        record = file.metadata()
    assert int(record["step"]) > 0
    assert len(record["expert"]) == 64


def test_the_model_card_is_of_this_file() -> None:
    text = CARD.read_text(encoding="utf-8")
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() in text
    for word in ("## Data", "## Licences", "## Recipe", "## Figures", "## Not for"):
        assert word in text
    assert "Redistribution" in CARD.with_name("LICENSE-torchvision").read_text(encoding="utf-8")


def test_it_needs_no_network_and_is_listed_as_present() -> None:
    row = teachers()["pocket"]
    teacher = create_teacher("pocket")
    assert row.offline
    assert row.levels == teacher.levels
    assert row.params == sum(p.numel() for p in teacher.parameters())
    assert row.licence == teacher.licence
    assert teacher.source == "this package"
    assert teacher.sha256 == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert [level.reduction for level in teacher.levels] == [4, 8, 16]


def test_features_are_those_of_a_network_written_out_by_hand() -> None:
    tensors = {name: tensor.float() for name, tensor in load_file(WEIGHTS).items()}

    def convolve(x: Tensor, key: str, stride: int, padding: int) -> Tensor:
        return functional.conv2d(x, tensors[f"{key}.weight"], tensors[f"{key}.bias"], stride, padding)

    features, x = [], convolve(picture(2, 3, 75, 130), "stem", 2, 3).relu()
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage, blocks in PLAN:
        for number, (_, _, _, stride) in enumerate(blocks):
            key = f"stages.{stage}.{number}"
            skipped = convolve(x, f"{key}.skip", stride, 0) if f"{key}.skip.weight" in tensors else x
            inner = convolve(x, f"{key}.first", stride, 1).relu()
            x = (skipped + convolve(inner, f"{key}.second", 1, 1)).relu()
        features.append(x)
    actual = create_teacher("pocket")(picture(2, 3, 75, 130))
    assert [f.shape[-2:] for f in actual] == [(19, 33), (10, 17), (5, 9)]
    for ours, reference in zip(actual, features, strict=True):
        torch.testing.assert_close(ours, reference)


def test_trained_features_are_of_the_scale_of_the_random_ones() -> None:
    """Methods need no other learning rate for them."""
    for level in create_teacher("pocket")(pink_noise(0)):
        assert 0.1 < level.std() < 10


def test_multiplications_are_less_than_half_of_resnet18() -> None:
    """The time is measured in benchmarks/teachers.py; this only guards the plan."""

    def multiplications(teacher: Teacher) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            teacher(torch.zeros(1, 3, 256, 256))
        return counter.get_total_flops() // 2

    resnet18 = 1.82e9  # conv1 and layer1 to layer3 at 256 px
    assert multiplications(create_teacher("resnet18", weights="random")) == pytest.approx(resnet18, rel=0.01)
    assert multiplications(create_teacher("pocket")) < resnet18 / 2


def test_a_coarse_feature_sees_as_far_as_one_of_resnet18() -> None:
    """It sees 211 pixels, the reach of two 3x3 convolutions a block, a pooling of 3 and a stem of 7."""
    network = PocketNetwork()
    with torch.no_grad():
        for parameter in network.parameters():  # every path counts, none is cut by a ReLU
            parameter.fill_(1.0)
    network.pool = torch.nn.AvgPool2d(3, 2, padding=1)  # of equal values the largest is any
    image = torch.zeros(1, 3, 432, 432, dtype=torch.float64, requires_grad=True)
    network.double()(image)[-1][0, 0, 13, 13].backward()
    assert image.grad is not None
    seen = image.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert int(seen.max() - seen.min()) + 1 == 211


@pytest.mark.parametrize(("asked", "given"), [((1, 3), ("stage1", "stage3")), (("stage2",), ("stage2",))])
def test_levels_can_be_chosen(asked: tuple[int | str, ...], given: tuple[str, ...]) -> None:
    teacher, whole = create_teacher("pocket", layers=asked), create_teacher("pocket")
    x = picture(1, 3, 64, 64)
    wanted = [maps for name, maps in zip(NAMES, whole(x), strict=True) if name in given]
    assert tuple(level.name for level in teacher.levels) == given
    assert all(torch.equal(a, b) for a, b in zip(teacher(x), wanted, strict=True))


def test_a_level_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"layer1 are not levels of pocket.*1=stage1, 2=stage2, 3=stage3"):
        create_teacher("pocket", layers=["layer1"])


def test_random_weights_are_seeded_and_standardised() -> None:
    first, again, other = (create_teacher("pocket", weights="random", seed=seed) for seed in (1, 1, 2))
    assert first.sha256 == again.sha256 != other.sha256
    layer = first.backbone.stem
    with torch.no_grad():
        outputs = layer(pink_noise(1))
    torch.testing.assert_close(outputs.mean((0, 2, 3)), torch.zeros(outputs.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(outputs.std((0, 2, 3)), torch.ones(outputs.shape[1]), atol=1e-3, rtol=0)


def test_making_one_leaves_torchs_random_state_alone() -> None:
    before = torch.get_rng_state()
    create_teacher("pocket", weights="random")
    create_teacher("pocket")
    assert torch.equal(before, torch.get_rng_state())


def test_another_file_of_the_same_shape_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file({name: tensor.float() * 2 for name, tensor in load_file(WEIGHTS).items()}, path)
    teacher = create_teacher("pocket", weights=path)
    assert teacher.source == str(path)
    assert "mine.safetensors" in teacher.licence


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(TeacherError, match="does not fit pocket"):
        create_teacher("pocket", weights=tmp_path / "other.safetensors")


def test_it_is_built_again_from_its_record() -> None:
    teacher = create_teacher("pocket", layers=[1, 2])
    again = teacher_from_spec(teacher.spec())
    again.load_state_dict(teacher.state_dict())
    x = picture(1, 3, 32, 48)
    assert all(torch.equal(a, b) for a, b in zip(teacher(x), again(x), strict=True))


# --- auto -----------------------------------------------------------------------------------------


def test_auto_takes_the_pocket_teacher_where_the_usual_one_is_not_at_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("asked the hub, though auto never downloads")

    monkeypatch.setattr(hub, "fetch", refuse)
    with caplog.at_level(logging.WARNING):
        teacher = create_teacher("auto")
    assert teacher.name == "pocket"
    assert "auto took pocket" in caplog.text
    assert "the weights of resnet18 are not on this machine" in caplog.text
    assert any("auto took pocket" in note for note in teacher.notes)


def cache_weights(folder: Path, repository: str) -> None:
    """Lay out an empty weights file as the hub's client does."""
    own = folder / f"models--{repository.replace('/', '--')}"
    (own / "refs").mkdir(parents=True)
    (own / "refs" / "main").write_text("abc")
    (own / "snapshots" / "abc").mkdir(parents=True)
    (own / "snapshots" / "abc" / "model.safetensors").touch()


@pytest.mark.parametrize(
    ("cached", "usual", "taken"),
    [
        (["timm/resnet18.tv_in1k"], "resnet18", "resnet18"),
        (["timm/resnet18.tv_in1k"], "wide_resnet50_2", "resnet18"),
        (["timm/resnet18.tv_in1k", "timm/wide_resnet50_2.tv_in1k"], "wide_resnet50_2", "wide_resnet50_2"),
        (["timm/wide_resnet50_2.tv_in1k"], "resnet18", "pocket"),
        (
            ["timm/vit_base_patch14_reg4_dinov2.lvd142m"],
            "vit_base_patch14_reg4_dinov2.lvd142m",
            "vit_base_patch14_reg4_dinov2.lvd142m",
        ),
        ([], "vit_base_patch14_reg4_dinov2.lvd142m", "pocket"),
    ],
)
def test_auto_prefers_the_usual_teacher_then_resnet18(
    cached: list[str], usual: str, taken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for repository in cached:
        cache_weights(tmp_path, repository)
    name, why = best_at_hand(usual)
    assert name == taken
    assert why.startswith(f"auto took {taken}, ")


def test_auto_takes_the_usual_teacher_where_its_weights_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usual = create_teacher("resnet18", weights="random")
    tensors = {k.removeprefix("backbone.net."): v for k, v in usual.state_dict().items()}
    save_file(tensors, tmp_path / "r.safetensors")
    with caplog.at_level(logging.WARNING):
        teacher = create_teacher("auto", weights=tmp_path / "r.safetensors")
    assert teacher.levels == usual.levels
    assert "auto took resnet18" in caplog.text


def test_auto_never_exchanges_weights_that_were_named(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="does not exist"):
        create_teacher("auto", weights=tmp_path / "missing.safetensors")


# --- the training script ----------------------------------------------------------------------------


@pytest.fixture
def samples() -> tuple[Tensor, Tensor]:
    """Correlated regressors, three of a group, and what depends on them."""
    seen = picture(500, 18) @ picture(18, 18, seed=1) + 3
    return seen, seen @ picture(18, 4, seed=2) + picture(500, 4, seed=3)


def remains(seen: Tensor, wanted: Tensor) -> float:
    """The squared error that scikit-learn leaves, a sample."""
    fitted = LinearRegression().fit(seen, wanted).predict(seen)
    return float(np.square(wanted.numpy() - fitted).sum() / len(seen))


@pytest.mark.usefixtures("scripts")
def test_the_group_that_goes_is_the_one_whose_loss_costs_least(
    samples: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    import surgeon

    monkeypatch.setattr(surgeon, "RIDGE", 0.0)
    seen, wanted = samples
    groups = torch.arange(18).view(6, 3)
    left = list(range(6))
    for count in (5, 4, 3, 2):
        errors = [remains(seen[:, groups[[k for k in left if k != gone]].flatten()], wanted) for gone in left]
        left.pop(int(np.argmin(errors)))
        assert surgeon.Regression(seen, wanted).keep(groups, count) == left


@pytest.mark.usefixtures("scripts")
def test_what_remains_is_fitted_anew(samples: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    import surgeon

    monkeypatch.setattr(surgeon, "RIDGE", 0.0)
    seen, wanted = samples
    regression = surgeon.Regression(seen, wanted)
    kept = regression.keep(torch.arange(15).view(5, 3), 2)  # the last three belong to no group
    rows = [*torch.arange(15).view(5, 3)[kept].flatten().tolist(), 15, 16, 17]
    reference = LinearRegression().fit(seen[:, rows], wanted)
    actual = regression.weights[rows].T.numpy()
    np.testing.assert_allclose(actual, reference.coef_, atol=1e-4)
    np.testing.assert_allclose(regression.bias.numpy(), reference.intercept_, atol=1e-3)
    gone = [row for row in range(18) if row not in rows]
    np.testing.assert_allclose(regression.weights[gone].numpy(), 0, atol=1e-9)


@pytest.mark.usefixtures("scripts")
def test_pruning_takes_a_network_apart_that_is_half_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels that nothing reads go, and the pruned network gives what the expert gives, a quarter as wide."""
    import prune

    monkeypatch.setattr(prune, "PLACES", 4000)
    monkeypatch.setattr(network_module, "PLAN", NARROW)
    expert = half_empty(narrow_expert())
    random = np.random.default_rng(0)
    views = [torch.from_numpy(random.integers(0, 256, (8, 3, 96, 96), dtype=np.uint8)) for _ in range(4)]
    network = prune.pruned(expert, views)
    with torch.no_grad():
        theirs = expert(prune.normalise(views[0], expert.mean, expert.std))
        ours = network(prune.student_view(views[0]))
    for level, wanted in zip(ours, theirs, strict=True):
        inside = (..., slice(2, -2), slice(2, -2))  # edges are padded with another grey
        assert r2_score(wanted[inside].flatten(), level[inside].flatten()) > 0.99


NARROW = (
    ("stage1", ((STEM, 8, 16, 1), (16, 8, 16, 1))),
    ("stage2", ((16, 16, 32, 2), (32, 16, 32, 1))),
    ("stage3", ((32, 32, 64, 2), (64, 32, 64, 1))),
)
"""The plan with a quarter of its channels: least squares of all would take a third of a minute."""


def narrow_expert() -> Teacher:
    """A ResNet-18 of random weights whose blocks have a quarter of their channels."""
    expert = create_teacher("resnet18", weights="random")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        widths = {"channels": (16, 32, 64, 128), "features_only": True, "out_indices": (1, 2, 3)}
        expert.backbone.net = timm.create_model("resnet18", **widths).requires_grad_(requires_grad=False)
    calibrate_batchnorm(expert.backbone.net, 0)
    return expert


def half_empty(expert: Teacher) -> Teacher:
    """Silence every other filter of the stem and every other inner channel of every block."""
    network = expert.backbone.net
    layers = [block for name in ("layer1", "layer2", "layer3") for block in network[name]]
    with torch.no_grad():
        for norm in (network["bn1"], *(block.bn1 for block in layers)):
            norm.weight[::2] = 0
            norm.bias[::2] = -1
    return expert


@pytest.mark.usefixtures("scripts")
def test_levels_before_relu_are_the_network_s() -> None:
    from distil import levels_before, student_view

    images = torch.randint(
        0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    network = PocketNetwork()
    for before, after in zip(levels_before(network, images), network(student_view(images)), strict=True):
        assert torch.equal(before.relu(), after)
        assert (before < 0).any()


@pytest.mark.usefixtures("scripts")
def test_the_loss_takes_the_error_before_relu_only_where_the_target_is_positive() -> None:
    from distil import loss

    before, target = torch.tensor([-2.0, -2.0, 1.0, 3.0]), torch.tensor([1.0, 0.0, 0.0, 1.0])
    by_hand = (9 + 0 + 1 + 4) / 4
    assert loss([before], [target]).item() == pytest.approx(by_hand)


@pytest.mark.usefixtures("scripts")
def test_the_share_of_variance_explained_agrees_with_scikit_learn() -> None:
    from distil import explained

    target = picture(3, 5, 8, 8).relu()
    before = target + 0.3 * picture(3, 5, 8, 8, seed=1)

    def rows(maps: Tensor) -> np.ndarray[Any, Any]:
        return maps.permute(0, 2, 3, 1).reshape(-1, 5).numpy()

    expected = r2_score(rows(target), rows(before.relu()), multioutput="variance_weighted")
    assert explained([before], [target]).item() == pytest.approx(expected, abs=2e-3)  # n against n - 1


@pytest.fixture
def script(scripts: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The training script with small sources, small batches and an untrained expert."""
    import batches
    import train
    from sources import Source

    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (40, 50, 3), dtype=np.uint8) for _ in range(4)]
    monkeypatch.setattr(train, "collect", lambda *_: ([Source.of("noise", 1.0, images)], images[:2]))
    expert = create_teacher("resnet18", weights="random")
    monkeypatch.setattr(train, "create_teacher", lambda *_args, **_kwargs: expert)
    monkeypatch.setattr(train, "JUDGE_EVERY", 2)
    monkeypatch.setattr(train, "pruned", lambda *_: create_teacher("pocket", weights="random").backbone)
    monkeypatch.setattr(train, "JUDGE_SIDE", 64)
    monkeypatch.setattr(batches, "SIDES", (32, 48, 48, 64, 64))
    monkeypatch.setattr(batches, "USUAL", 64)
    return train


def options(out: Path, shared: Path) -> argparse.Namespace:
    return argparse.Namespace(
        shared=shared,
        out=out,
        steps=4,
        drawn=0,
        device="cpu",
        batch=4,
        rate=5e-4,
        seed=0,
    )


def equal(one: Path, two: Path) -> bool:
    """Whether two files hold the same tensors, bit by bit."""
    ours, theirs = load_file(one), load_file(two)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_training_that_was_stopped_ends_with_the_same_weights(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def training(out: str) -> Any:
        torch.manual_seed(0)
        return script.Training(options(tmp_path / out, tmp_path))

    training("whole").run()
    half = training("halves")
    half.views.count = 2  # as if stopped after two of the four steps
    half.run()
    training("halves").run()
    assert equal(
        tmp_path / "whole" / "checkpoint.safetensors", tmp_path / "halves" / "checkpoint.safetensors"
    )
    assert "explained" in capsys.readouterr().out


def test_what_the_script_writes_is_a_teacher(script: Any, tmp_path: Path) -> None:
    script.Training(options(tmp_path / "out", tmp_path)).run()
    teacher = create_teacher("pocket", weights=tmp_path / "out" / "best.safetensors")
    assert len(teacher(picture(1, 3, 64, 64))) == 3


@pytest.mark.usefixtures("scripts")
def test_batches_depend_on_the_seed_and_their_number_alone() -> None:
    from batches import Views
    from sources import Source

    images = [np.random.default_rng(k).integers(0, 256, (60, 80, 3), dtype=np.uint8) for k in range(3)]
    views, again, other = (
        Views([Source.of("noise", 1.0, images)], seed, 9, 8, torch.device("cpu")) for seed in (0, 0, 1)
    )
    assert torch.equal(views[5], again[5])
    assert not torch.equal(views[5].flatten()[:100], other[5].flatten()[:100])
    assert views[5].dtype == torch.uint8


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture without sharp edges, (H, W, 3), of which resampling methods agree."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("side", [32, 96])
@pytest.mark.parametrize("quarters", [0, 1])
def test_a_view_is_what_pillow_cuts_out(side: int, quarters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import augment
    from sources import Source

    image, (left, top, right, bottom) = smooth(90, 120), (20.0, 10.0, 100.0, 70.0)
    wide, high = right - left, bottom - top
    straight = [[wide, 0, left + wide / 2], [0, high, top + high / 2]]
    quarter = [[0, -wide, left + wide / 2], [high, 0, top + high / 2]]
    place = np.array([quarter if quarters else straight])
    monkeypatch.setattr(augment, "_places", lambda *_: place)
    source = Source.of("one", 1.0, [image])
    view = augment.crops(source.images, source.sizes, side, np.random.default_rng(0))[0].permute(1, 2, 0)
    cut = Image.fromarray(image).resize(
        (side, side), Image.Resampling.BILINEAR, box=(left, top, right, bottom)
    )
    turned = np.rot90(np.asarray(cut), quarters).astype(np.float32)
    assert np.abs(view.numpy() - turned).mean() < 1.5


@pytest.mark.usefixtures("scripts")
def test_views_lie_in_their_images_and_are_not_enlarged_much() -> None:
    import augment

    sizes = np.tile([[90, 200]], (500, 1))
    placed = augment._places(sizes, 64, np.random.default_rng(0))
    reach = np.abs(placed[:, :, :2]).sum(2) / 2  # of a box from its middle: to the side, up and down
    assert (placed[:, :, 2] - reach >= -1e-9).all()
    assert (placed[:, :, 2] + reach <= [200 + 1e-9, 90 + 1e-9]).all()
    assert (4 * reach.prod(1) >= (64 / augment.ENLARGED) ** 2 * 0.8).all()  # a long box is cut at the edge


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("quality", [30, 50, 85])
def test_compression_loses_what_jpeg_loses(quality: int) -> None:
    import jpeg

    noisy = smooth(64, 96) + np.random.default_rng(1).normal(0, 8, (64, 96, 3))
    image = noisy.clip(0, 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=2)
    wanted = np.asarray(Image.open(file)).astype(np.float32)
    given = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    actual = jpeg.compress(given, np.array([quality]))[0].permute(1, 2, 0).clamp(0, 255).numpy()
    lost = np.square(wanted - image).mean()
    assert np.square(actual - wanted).mean() < 0.15 * lost
    assert np.square(actual - image).mean() == pytest.approx(lost, rel=0.1)


@pytest.mark.usefixtures("scripts")
def test_procedural_images_are_seeded_and_full_of_variety() -> None:
    import procedural

    images = procedural.pool(14, seed=3)
    assert np.array_equal(images[:3], procedural.pool(3, seed=3))
    assert len({image.tobytes() for image in images}) == 14
    assert (images.std(axis=(1, 2)).max(axis=1) > 5).all()  # none is blank


@pytest.mark.usefixtures("scripts")
def test_what_it_is_judged_on_is_never_learnt_from() -> None:
    import sources

    code = (SCRIPTS / "sources.py").read_text(encoding="utf-8").partition("def collect")[2]
    code = code.partition('"""')[2].partition('"""')[2]
    for name in ("cookies", "deeppcb", "aliens", "brain_mri", "fashion_mnist"):
        assert name not in code
    assert {"brick", "grass", "gravel", "coins"} <= sources.DEMO  # two of them are in `twinspect demo`
    assert not sources.DEMO & {path.stem for path in sources._installed()}
