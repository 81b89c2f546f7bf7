"""Teachers against torchvision, timm, a network written out by hand, and a stand-in for the hub."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from twinspect.errors import ConfigError, TeacherError
from twinspect.teachers import (
    Card,
    Level,
    Teacher,
    backbones,
    create_teacher,
    hub,
    plugins,
    probe_levels,
    teachers,
)
from twinspect.teachers.curated import CURATED, FROM_FILE
from twinspect.teachers.rebuilding import teacher_from_spec

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from stub_hub import StubHub, stub_hub

TINY = "test_resnet"  # 0.5 million weights; timm keeps it for tests
TINY_VIT = "test_vit"


def picture(height: int = 64, width: int = 64, batch: int = 1) -> Tensor:
    return torch.randn((batch, 3, height, width), generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def randomised(name: str, seed: int = 3, **options: Any) -> nn.Module:
    """A whole network of timm in which no tensor has the value it is born with."""
    torch.manual_seed(seed)
    net = timm.create_model(name, **options).eval()
    for key, value in net.state_dict().items():
        if value.is_floating_point():
            value.copy_(
                torch.rand_like(value) if key.endswith(("var", "gamma")) else 0.1 * torch.randn_like(value)
            )
    return net


def same(left: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> bool:
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.fixture(scope="module")
def tiny_state() -> dict[str, Tensor]:
    return randomised(TINY).state_dict()


@pytest.fixture
def tiny_file(tiny_state: dict[str, Tensor], tmp_path: Path) -> Path:
    save_file(tiny_state, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "hub"


# --- the network: levels, values, sizes -----------------------------------------------------------


def test_vgg16_gives_the_outputs_of_its_poolings() -> None:
    vgg = pytest.importorskip("torchvision.models.vgg")
    torch.manual_seed(1)
    reference = vgg.make_layers(
        vgg.cfgs["D"]
    ).eval()  # vgg16().features without 120 million weights of a head
    teacher = create_teacher("vgg16", weights="random")
    teacher.load_state_dict(
        {f"backbone.features.{k}": v for k, v in reference.state_dict().items()}, strict=True
    )
    expected, x = [], picture(64, 96)
    for layer in reference:
        x = layer(x)
        if isinstance(layer, nn.MaxPool2d):
            expected.append(x)
    maps = teacher(picture(64, 96))
    assert [tuple(level.shape) for level in maps] == [
        (1, 128, 16, 24), (1, 256, 8, 12), (1, 512, 4, 6), (1, 512, 2, 3),
    ]  # fmt: skip
    assert same(maps, tuple(expected[1:]))
    assert [level.name for level in teacher.levels] == ["pool2", "pool3", "pool4", "pool5"]
    assert not any(level.signed for level in teacher.levels)


def test_every_pooling_of_a_vgg_can_be_had() -> None:
    teacher = create_teacher("vgg11", weights="random", layers=[5, 1, "pool3", 2, 4])
    assert [(level.name, level.reduction) for level in teacher.levels] == [
        ("pool1", 2), ("pool2", 4), ("pool3", 8), ("pool4", 16), ("pool5", 32),
    ]  # fmt: skip
    shallow = create_teacher("vgg11", weights="random", layers=[1])
    assert (
        sum(p.numel() for p in shallow.parameters()) == 3 * 64 * 9 + 64
    )  # one convolution, nothing behind it


@pytest.mark.parametrize(
    "name", ["resnet18", "vgg11", "mobilenetv2_100", "convnext_tiny", "deit_tiny_patch16_224"]
)
def test_listing_agrees_with_the_network(name: str) -> None:
    check_row(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [row.name for row in CURATED if row.name not in plugins.BUILT_IN])
def test_the_whole_listing_agrees_with_the_networks(name: str) -> None:
    check_row(name)


def check_row(name: str) -> None:
    row = next(row for row in CURATED if row.name == name)
    teacher, design = create_teacher(name, weights="random"), backbones.parse_name(name)
    assert teacher.levels == row.levels
    assert sum(p.numel() for p in teacher.parameters()) == row.params
    assert (design.repository or FROM_FILE) == row.weights
    assert row.weights == FROM_FILE or design.licence in (row.licence, "")  # "": a timm that states none


def test_layers_come_fine_to_coarse_by_number_or_name() -> None:
    teacher = create_teacher(TINY, weights="random", layers=["layer3", 1])
    assert teacher.levels == (Level("layer1", 32, 4, signed=False), Level("layer3", 192, 16, signed=False))
    assert [tuple(level.shape[1:]) for level in teacher(picture(64, 48))] == [(32, 16, 12), (192, 4, 3)]


@pytest.mark.parametrize("layers", [[], [1, "layer1"], [9], ["layer9"], [-1], "layer1"])
def test_layers_that_are_not_there_are_refused(layers: Any) -> None:
    with pytest.raises(ConfigError, match=r"not levels of test_resnet; .* 0=act1, 1=layer1, 2=layer2"):
        create_teacher(TINY, weights="random", layers=layers)


def test_vision_transformer_gives_blocks_as_maps() -> None:
    whole = randomised("vit_tiny_patch16_224", dynamic_img_size=True)
    seen: list[Tensor] = []
    for block in (2, 5, 8, 11):
        whole.blocks[block].register_forward_hook(lambda _m, _i, out: seen.append(out))
    whole.forward_features(picture(64, 96, batch=2))
    teacher = create_teacher("vit_tiny_patch16_224", weights="random")
    needed = teacher.state_dict()
    teacher.load_state_dict(
        {f"backbone.net.{k}": v for k, v in whole.state_dict().items() if f"backbone.net.{k}" in needed},
        strict=True,
    )
    maps, summaries = teacher.describe(picture(64, 96, batch=2))
    assert [level.name for level in teacher.levels] == ["blocks.2", "blocks.5", "blocks.8", "blocks.11"]
    expected = tuple(tokens[:, 1:].transpose(1, 2).reshape(2, 192, 4, 6) for tokens in seen)
    assert same(maps, expected)
    assert same(teacher(picture(64, 96, batch=2)), expected)
    assert same(summaries, tuple(tokens[:, 0] for tokens in seen))


def test_a_convolutional_network_sums_up_by_the_mean() -> None:
    teacher = create_teacher(TINY, weights="random")
    maps, summaries = teacher.describe(picture(batch=2))
    assert same(maps, teacher(picture(batch=2)))
    torch.testing.assert_close(summaries[0], maps[0].flatten(2).mean(2))


def test_sizes_that_do_not_fit_the_patches_name_the_nearest() -> None:
    teacher = create_teacher(TINY_VIT, weights="random")
    with pytest.raises(
        ConfigError, match=r"multiples of 16 pixels, got 250x96; nearest: 240 or 256 high, 96 wide"
    ):
        teacher(picture(250, 96))
    with pytest.raises(ConfigError, match="nearest: 16 high, 16 wide"):
        teacher.check_size(9, 9)


def test_images_no_teacher_takes() -> None:
    teacher = create_teacher(TINY, weights="random")
    with pytest.raises(ConfigError, match=r"level layer3 has one value every 16 pixels; use 16 or more"):
        teacher(picture(64, 8))
    for wrong in (picture()[0], picture()[:, :1], picture().to(torch.uint8)):
        with pytest.raises(ConfigError, match=r"takes \(B, 3, H, W\) float32, normalised, got \("):
            teacher(wrong)


def test_a_network_of_one_size_says_so() -> None:
    teacher = create_teacher("mixer_s32_224", weights="random", layers=[0])
    assert teacher.levels == (Level("blocks.0", 512, 32, signed=True),)
    with pytest.raises(ConfigError, match="takes images of 224x224 pixels only, got 256x256"):
        teacher(picture(256, 256))


def test_a_network_with_channels_last_gives_them_second() -> None:
    teacher = create_teacher("swin_tiny_patch4_window7_224", weights="random", layers=[0])
    assert [tuple(level.shape) for level in teacher(picture(224, 224))] == [(1, 96, 56, 56)]


def test_a_model_without_feature_maps_is_refused() -> None:
    with pytest.raises(TeacherError, match=r"crossvit_9_240.*choose another.* such as pocket"):
        create_teacher("crossvit_9_240", weights="random")


def test_a_model_that_timm_cannot_cut_into_levels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> nn.Module:
        raise RuntimeError("features_only not implemented for this model")

    monkeypatch.setattr(timm, "create_model", fails)
    with pytest.raises(
        TeacherError, match=r"cannot extract feature maps of resnet26 \(RuntimeError: features_only not impl"
    ):
        create_teacher("resnet26", weights="random")


# --- the freezer ----------------------------------------------------------------------------------


def test_a_teacher_never_learns_but_lets_gradients_through() -> None:
    teacher = create_teacher(TINY, weights="random")
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    parent = nn.Sequential(teacher).train()
    assert parent.training
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    image = picture().requires_grad_()
    sum(level.sum() for level in parent(image)).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())


def test_random_weights_follow_the_seed_and_disturb_nobody() -> None:
    torch.manual_seed(11)
    state = torch.get_rng_state()
    first, again, other = (create_teacher(TINY, weights="random", seed=seed) for seed in (5, 5, 6))
    teacher_from_spec(first.spec())
    assert torch.equal(torch.get_rng_state(), state)
    assert same(first(picture()), again(picture()))
    assert first.sha256 == again.sha256 != other.sha256
    assert len(first.sha256) == 64
    assert not same(first(picture()), other(picture()))
    assert first.source == "random, seed 5"


@pytest.mark.parametrize(
    "name", [TINY, TINY_VIT, "vgg11", "resnet50_caffe", "mobilenetv2_100", "convnext_atto"]
)
def test_a_teacher_comes_back_from_its_record(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = create_teacher(name, weights="random", seed=1)
    record = json.loads(json.dumps(teacher.spec()))
    monkeypatch.setattr(hub, "fetch", lambda *_: pytest.fail("a record must not need the hub"))
    back = teacher_from_spec(record)
    back.load_state_dict(teacher.state_dict(), strict=True)
    assert back.card == teacher.card
    assert same(back(picture()), teacher(picture()))


def test_a_damaged_record_is_named() -> None:
    record = create_teacher(TINY, weights="random").spec()
    for wrong in ({**record, "colour": "red"}, {k: v for k, v in record.items() if k != "levels"}):
        with pytest.raises(TeacherError, match="is not a record of a teacher"):
            teacher_from_spec(wrong)
    with pytest.raises(TeacherError, match=r"timm .* has no level 'layer9'"):
        teacher_from_spec({**record, "levels": [{**record["levels"][0], "name": "layer9"}]})


# --- weights files --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".PT", ".bin"])
@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
def test_files_of_every_kind_load(
    tiny_state: dict[str, Tensor], tmp_path: Path, suffix: str, wrap: str | None
) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(tiny_state, path)
    else:
        content = {f"module.{key}": value for key, value in tiny_state.items()}
        torch.save({wrap: content, "epoch": 3} if wrap else content, path)
    teacher = create_teacher(TINY, weights=path)
    reference = timm.create_model(TINY, features_only=True, out_indices=(1, 2, 3)).eval()
    reference.load_state_dict(tiny_state, strict=False)
    assert same(teacher(picture()), tuple(reference(picture())))
    assert teacher.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert teacher.source == str(path)
    (note,) = teacher.notes
    unused = [key for key in tiny_state if key.startswith(("layer4", "fc"))]
    assert note.startswith(f"tensors of the file not used ({len(unused)}): ")
    assert note.endswith(f" and {len(unused) - 3} more")


def test_a_file_may_end_where_the_levels_end(tiny_state: dict[str, Tensor], tmp_path: Path) -> None:
    unwanted = ("layer4", "layer3", "fc")
    cut = {k: v for k, v in tiny_state.items() if not k.startswith(unwanted) and "num_batches" not in k}
    save_file(cut, tmp_path / "cut.safetensors")
    teacher = create_teacher(TINY, weights=tmp_path / "cut.safetensors", layers=[1, 2])
    assert teacher.notes == ()
    message = (
        r"cut.safetensors does not fit test_resnet: \d+ of \d+ tensors are missing: layer3.0.conv1.weight, "
    )
    with pytest.raises(TeacherError, match=message + r".* and \d+ more; .* or fewer layers"):
        create_teacher(TINY, weights=tmp_path / "cut.safetensors")


def test_a_tensor_of_another_shape_is_named_with_both(tiny_state: dict[str, Tensor], tmp_path: Path) -> None:
    save_file({**tiny_state, "layer1.0.conv1.weight": torch.zeros(8, 32, 1, 1)}, tmp_path / "odd.safetensors")
    message = (
        r"tensor 'layer1.0.conv1.weight' is \(8, 32, 1, 1\) in the file but \(32, 32, 3, 3\) in the network"
    )
    with pytest.raises(TeacherError, match=message):
        create_teacher(TINY, weights=tmp_path / "odd.safetensors")


def test_half_precision_becomes_single(tiny_state: dict[str, Tensor], tmp_path: Path) -> None:
    half = {k: v.half() if v.is_floating_point() else v for k, v in tiny_state.items()}
    save_file(half, tmp_path / "half.safetensors")
    teacher = create_teacher(TINY, weights=tmp_path / "half.safetensors")
    loaded = teacher.state_dict()["backbone.net.layer1.0.conv1.weight"]
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, half["layer1.0.conv1.weight"].float())


def test_weights_that_are_no_numbers_are_refused(tiny_state: dict[str, Tensor], tmp_path: Path) -> None:
    broken = {k: v.clone() for k, v in tiny_state.items()}
    broken["bn1.bias"][0] = float("nan")
    save_file(broken, tmp_path / "nan.safetensors")
    with pytest.raises(TeacherError, match=r"nan.safetensors is damaged: bn1.bias holds values that are no"):
        create_teacher(TINY, weights=tmp_path / "nan.safetensors")


def test_torchvision_checkpoints_load(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    net = torchvision.models.resnet18(weights=None).eval()
    torch.save(net.state_dict(), tmp_path / "resnet18.pth")
    teacher = create_teacher("resnet18", weights=tmp_path / "resnet18.pth")
    x = net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(picture())))))
    expected = (x, net.layer2(x), net.layer3(net.layer2(x)))
    for got, wanted in zip(teacher(picture()), expected, strict=True):
        torch.testing.assert_close(got, wanted)
    vgg = torchvision.models.vgg
    layers = vgg.make_layers(vgg.cfgs["A"])  # vgg11().features
    state = {f"features.{key}": value for key, value in layers.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(1)}, tmp_path / "vgg11.pth")
    teacher = create_teacher("vgg11", weights=tmp_path / "vgg11.pth", layers=[5])
    torch.testing.assert_close(teacher(picture())[0], layers(picture()))
    assert teacher.notes == ("tensors of the file not used (1): classifier.0.weight",)


def test_names_that_timm_flattens_are_found(tmp_path: Path) -> None:
    whole = randomised("convnext_atto")
    save_file(whole.state_dict(), tmp_path / "convnext.safetensors")
    teacher = create_teacher("convnext_atto", weights=tmp_path / "convnext.safetensors", layers=[0, 1])
    x = whole.stages[0](whole.stem(picture()))
    assert same(teacher(picture()), (x, whole.stages[1](x)))


def test_position_embeddings_of_another_size_are_resized(tmp_path: Path) -> None:
    larger = randomised(TINY_VIT, img_size=208)
    save_file(larger.state_dict(), tmp_path / "vit208.safetensors")
    teacher = create_teacher(TINY_VIT, weights=tmp_path / "vit208.safetensors")
    expected = timm.layers.resample_abs_pos_embed(larger.pos_embed, new_size=[10, 10], old_size=[13, 13])
    assert torch.equal(teacher.state_dict()["backbone.net.pos_embed"], expected)


class _Trap:
    """What a malicious pickle looks like: loading it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_malicious_pickle_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"conv1.weight": _Trap(tmp_path / "sprung")}))
    torch.save({"conv1.weight": _Trap(tmp_path / "sprung")}, tmp_path / "evil.pt")
    for name in ("evil.pth", "evil.pt"):
        with pytest.raises(TeacherError, match="could run code and is not opened") as caught:
            create_teacher(TINY, weights=tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pth", None, "does not exist"),
        ("weights.onnx", b"x", r"ends in '.onnx'; allowed: .safetensors, .pth, .pt, .bin"),
        ("cut.safetensors", b"\x08\x00\x00", "damaged or not a safetensors file"),
        ("cut.pth", b"PK\x03\x04 cut", "is damaged, or holds more than tensors"),
        ("empty.bin", b"", "is damaged, or holds more than tensors"),
    ],
)
def test_files_that_hold_no_weights(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TeacherError, match=message):
        create_teacher(TINY, weights=str(tmp_path / name))


def test_a_folder_and_a_file_without_tensors(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"is a folder; give a file that ends in .safetensors"):
        create_teacher(TINY, weights=tmp_path)
    torch.save({"epoch": 3}, tmp_path / "log.pth")
    with pytest.raises(TeacherError, match="holds no tensors by name"):
        create_teacher(TINY, weights=tmp_path / "log.pth")


# --- the files beside the checkout ----------------------------------------------------------------


@pytest.mark.shared
def test_resnet18_of_the_shared_folder(shared: Path) -> None:
    path = shared / "weights" / "resnet18_layers1-3.safetensors"
    teacher = create_teacher("resnet18", weights=path)
    reference = timm.create_model("resnet18", features_only=True, out_indices=(1, 2, 3)).eval()
    reference.load_state_dict(load_file(path), strict=False)
    assert same(teacher(picture(96, 64)), tuple(reference(picture(96, 64))))
    assert teacher.notes == ()
    assert (teacher.mean, teacher.std, teacher.input_size) == (
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        224,
    )
    with pytest.raises(TeacherError, match=r"tensors are missing: layer4\.0\.conv1\.weight"):
        create_teacher("resnet18", weights=path, layers=[1, 2, 3, 4])


@pytest.mark.shared
def test_mobilenet_of_the_shared_folder_keeps_no_unused_blocks(shared: Path) -> None:
    path = shared / "weights" / "mobilenetv2_100.safetensors"
    teacher = create_teacher("mobilenetv2_100", weights=path)
    reference = timm.create_model("mobilenetv2_100", features_only=True, out_indices=(1, 2, 3)).eval()
    reference.load_state_dict(load_file(path), strict=False)
    assert same(teacher(picture()), tuple(reference(picture())))
    assert not any(".blocks.5." in key for key in teacher.state_dict())
    assert all(level.signed for level in teacher.levels)


@pytest.mark.shared
def test_caffe_resnet50_is_the_original_layout(shared: Path) -> None:
    path = shared / "weights" / "resnet50_caffe_layers1-3.safetensors"
    teacher = create_teacher("resnet50_caffe", weights=path)
    state = {key: value.float() for key, value in load_file(path).items()}
    maps = teacher(picture(65, 97))
    assert [tuple(level.shape[2:]) for level in maps] == [(16, 24), (8, 12), (4, 6)]  # with padding 17x25
    for got, wanted in zip(maps, caffe_resnet50(state, picture(65, 97)), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def caffe_resnet50(state: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The network of He et al. written out: a stage's stride is in its first 1x1 convolution."""

    def conv_bn(x: Tensor, conv: str, bn: str, stride: int = 1, padding: int = 0) -> Tensor:
        x = F.conv2d(x, state[f"{conv}.weight"], stride=stride, padding=padding)
        statistics = (state[f"{bn}.running_mean"], state[f"{bn}.running_var"])
        return F.batch_norm(x, *statistics, state[f"{bn}.weight"], state[f"{bn}.bias"])

    x = F.relu(conv_bn(x, "conv1", "bn1", stride=2, padding=3))
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    levels = []
    for stage, blocks in (("layer1", 3), ("layer2", 4), ("layer3", 6)):
        for block in range(blocks):
            at, stride = f"{stage}.{block}", 2 if block == 0 and stage != "layer1" else 1
            shortcut = x if block else conv_bn(x, f"{at}.downsample.0", f"{at}.downsample.1", stride)
            y = F.relu(conv_bn(x, f"{at}.conv1", f"{at}.bn1", stride))
            y = F.relu(conv_bn(y, f"{at}.conv2", f"{at}.bn2", padding=1))
            x = F.relu(conv_bn(y, f"{at}.conv3", f"{at}.bn3") + shortcut)
        levels.append(x)
    return levels


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("wide_resnet50_2", "wide_resnet50_2.tv_in1k"),
        ("resnet18", "resnet18.tv_in1k"),
        ("vgg16", "vgg16.tv_in1k"),
        ("resnet18.a1_in1k", "resnet18.a1_in1k"),
        ("mobilenetv2_100", "mobilenetv2_100.ra_in1k"),
        ("resnet50_caffe", "resnet50_caffe"),
    ],
)
def test_default_weights_are_those_of_the_papers(typed: str, full: str) -> None:
    assert backbones.parse_name(typed).name == full


def test_unknown_names_get_the_nearest_and_not_the_whole_list() -> None:
    with pytest.raises(
        ConfigError, match=r"no teacher 'resnt18'; nearest: resnet18, .*twinspect teachers"
    ) as caught:
        create_teacher("resnt18")
    assert len(str(caught.value)) < 250
    with pytest.raises(
        ConfigError, match=r"resnet18 has no weights tagged 'tv'; allowed: a1_in1k, .*tv_in1k"
    ):
        create_teacher("resnet18.tv")
    with pytest.raises(ConfigError, match="no teacher 'hf-hub:a/b'"):
        create_teacher("hf-hub:a/b")


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from twinspect.teachers import teachers, Level; assert len(teachers()) >= 12; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'numpy', 'huggingface_hub')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the hub --------------------------------------------------------------------------------------


def serve_tiny(monkeypatch: pytest.MonkeyPatch, served: StubHub) -> None:
    import huggingface_hub.constants

    monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


def test_weights_are_fetched_once_and_known_by_their_sha256(
    tiny_state: dict[str, Tensor], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = save(tiny_state)
    with stub_hub({f"timm/{TINY}.r160_in1k/model.safetensors": content}) as served:
        serve_tiny(monkeypatch, served)
        teacher = create_teacher(TINY)
        assert any(request.startswith("GET") for request in served.asked)
        served.asked.clear()
        again = create_teacher(f"{TINY}.r160_in1k")
        assert served.asked == []
    assert teacher.name == again.name == f"{TINY}.r160_in1k"
    assert teacher.sha256 == hashlib.sha256(content).hexdigest()
    assert teacher.source == f"timm/{TINY}.r160_in1k on the Hugging Face hub, model.safetensors"
    assert teacher.licence.startswith("apache-2.0")
    assert torch.equal(teacher.state_dict()["backbone.net.conv1.0.weight"], tiny_state["conv1.0.weight"])
    assert hub.cached(f"timm/{TINY}.r160_in1k") is not None


def test_a_hub_without_the_file_is_quoted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stub_hub({}) as served:
        serve_tiny(monkeypatch, served)
        with pytest.raises(TeacherError, match=r"cannot be fetched from http://127.*404"):
            create_teacher(TINY)
        assert not any(request.startswith("GET") for request in served.asked)


def test_offline_the_message_says_which_file_and_where_to(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TeacherError) as caught:
        create_teacher("resnet18")
    message = str(caught.value)
    for part in (
        "teacher resnet18.tv_in1k",
        "'model.safetensors' of 'timm/resnet18.tv_in1k'",
        str(cache / "models--timm--resnet18.tv_in1k"),
        "HF_HUB_OFFLINE is set",
        "hf download timm/resnet18.tv_in1k model.safetensors",
        "--weights model.safetensors",
    ):
        assert part in message
    assert "\n" not in message


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    import huggingface_hub

    asked, over = threading.Event(), threading.Event()

    def never(*_: object, **__: object) -> None:
        asked.set()
        over.wait()

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", never)
    monkeypatch.setattr(hub, "DEADLINE", 0.05)
    with pytest.raises(TeacherError, match=r"cannot be fetched from .* \(no answer within 0.05 s\)"):
        create_teacher(TINY)
    assert asked.is_set()
    over.set()


def test_a_broken_download_is_quoted(tiny_file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Path:
        raise OSError("No space left on device")

    monkeypatch.setattr(hub, "why_unavailable", lambda *_: "")
    monkeypatch.setattr(hub, "_download", fails)
    with pytest.raises(TeacherError, match=r"\(OSError: No space left on device\)"):
        create_teacher(TINY)


def test_teachers_without_a_repository_ask_for_a_file() -> None:
    with pytest.raises(
        TeacherError, match=r"resnet50_caffe: its weights are not on the hub; give a file: --weights FILE"
    ):
        create_teacher("resnet50_caffe")


def test_listing_says_what_is_on_this_machine(cache: Path) -> None:
    assert [row.name for row in teachers().values() if row.offline] == ["pocket"]
    folder = cache / "models--timm--resnet18.tv_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "model.safetensors").touch()
    assert [row.name for row in teachers().values() if row.offline] == ["pocket", "resnet18"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HOME": "/home/u"}, "/home/u/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_the_hubs_client_keeps_it(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub.cache_folder() == Path(expected)


def test_pickled_files_of_the_hub_are_never_fetched() -> None:
    assert backbones.parse_name("vit_base_patch32_clip_224.laion2b").filename.endswith(".safetensors")
    assert backbones._safe_filename("open_clip_pytorch_model.bin") == "open_clip_model.safetensors"
    assert backbones._safe_filename("pytorch_model.bin") == "model.safetensors"


# --- teachers of other packages -------------------------------------------------------------------


def make_acme(*, weights: Path | str | None, layers: Any, seed: int) -> Teacher:
    """A teacher as another package would write it: one convolution."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4))
    backbone = _OneMap(net).eval()
    levels = probe_levels(backbone, ["conv"], 32)
    card = Card("?", "?", levels, (0.5,) * 3, (0.5,) * 3, 32, "0" * 64, f"acme {weights}", "ours")
    return Teacher(backbone, card)


class _OneMap(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.net(images),)


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("acme_vision")
    module.make = make_acme  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "acme_vision", module)
    entries = [
        EntryPoint("acme", "acme_vision:make", plugins.ENTRY_POINTS),
        EntryPoint("gone", "acme_vision_gone:make", plugins.ENTRY_POINTS),
    ]
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: entries if group == plugins.ENTRY_POINTS else []
    )
    return module


def test_a_package_can_bring_a_teacher(acme: ModuleType) -> None:
    row = next(row for row in teachers().values() if row.name == "acme")
    assert (row.weights, row.offline) == ("module acme_vision", True)
    teacher = create_teacher("acme", weights="random", seed=4)
    assert (teacher.name, teacher.source) == ("acme", "acme random")
    assert teacher.levels == (Level("conv", 8, 4, signed=True),)
    back = teacher_from_spec(json.loads(json.dumps(teacher.spec())))
    back.load_state_dict(teacher.state_dict(), strict=True)
    assert same(back(picture()), teacher(picture()))


def test_a_package_that_fails_is_named(acme: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TeacherError, match=r"'gone' of module acme_vision_gone cannot be loaded: No module"):
        create_teacher("gone")
    acme.make = lambda **_: nn.Identity()  # type: ignore[attr-defined]
    with pytest.raises(
        TeacherError, match=r"'acme' of module acme_vision must be .* its factory returned a Identity"
    ):
        create_teacher("acme")
    acme.make = make_acme  # type: ignore[attr-defined]
    record = create_teacher("acme").spec()
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])
    with pytest.raises(
        TeacherError, match=r"'acme' comes from another package, and no installed package provides it"
    ):
        teacher_from_spec(record)


def test_a_backbone_must_give_one_map_a_level() -> None:
    with pytest.raises(
        TeacherError, match=r"a teacher of 2 levels must return as many \(B, C, h, w\) maps, got \[\(1, 8"
    ):
        probe_levels(_OneMap(nn.Conv2d(3, 8, 1)), ["a", "b"], 8)


def test_a_card_is_plain_data(tiny_file: Path) -> None:
    teacher = create_teacher(TINY, weights=tiny_file)
    assert Card.from_spec(json.loads(json.dumps(teacher.spec()))) == teacher.card
    assert teacher.card == dataclasses.replace(teacher.card)


def test_random_weights_come_with_batch_norm_measured_on_pink_noise() -> None:
    from twinspect.teachers.random_weights import pink_noise

    noise = pink_noise(3)
    power = torch.fft.fft2(noise).abs().square().mean((0, 1))
    assert (
        3 < (power[0, 8] / power[0, 16]).item() < 5
    )  # 1/f in amplitude: a quarter of the power an octave up
    backbone = create_teacher(TINY, weights="random", seed=3).backbone
    first = next(module for module in backbone.modules() if isinstance(module, nn.Conv2d))
    norm = next(module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d))
    features = first(noise)
    torch.testing.assert_close(norm.running_mean, features.mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(norm.running_var, features.var((0, 2, 3)), atol=1e-4, rtol=1e-3)
    assert norm.momentum == 0.1
    assert not norm.training
