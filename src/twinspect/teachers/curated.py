"""The recommended teachers, as plain data. Imports no torch, so that listing them is fast.

A test builds every network and compares it with its row.
"""

from __future__ import annotations

from dataclasses import dataclass

from twinspect.teachers.feature_levels import Level

AUTO, USUAL = "auto", "resnet18"
"""The name that stands for the best teacher on this machine; the one that is recommended to begin with."""
FROM_FILE = "a file of yours"
"""Source of weights that are not on the hub."""
SHIPPED = "this package"
"""Source of the pocket teacher's weights."""
POCKET_LICENCE = "apache-2.0, with bsd-3-clause: pruned from torchvision's ResNet-18 (see its model card)"


@dataclass(frozen=True)
class TeacherInfo:
    """Description of a teacher, without loading it.

    Attributes:
        name: what to type; it selects the default weights and levels.
        weights: source of the weights: a repository of the Hugging Face hub, a file, a package.
        levels: the default levels, fine to coarse; empty if only the package knows them.
        params: number of parameters up to the deepest of these levels (those in a saved model); 0 if not known.
        licence: of the weights, as their publisher states it.
        offline: whether the weights are on this machine.
    """

    name: str
    weights: str
    levels: tuple[Level, ...]
    params: int
    licence: str
    offline: bool = False


def _levels(
    names: str, channels: tuple[int, ...], reductions: tuple[int, ...], *, signed: bool
) -> tuple[Level, ...]:
    rows = zip(names.split(), channels, reductions, strict=True)
    return tuple(Level(name, width, reduction, signed) for name, width, reduction in rows)


def _resnet(*channels: int) -> tuple[Level, ...]:
    return _levels("layer1 layer2 layer3", channels, (4, 8, 16), signed=False)


def _mobile(*channels: int) -> tuple[Level, ...]:
    return _levels("blocks.1 blocks.2 blocks.4", channels, (4, 8, 16), signed=True)


def _vit(channels: int, patch: int) -> tuple[Level, ...]:
    return _levels("blocks.2 blocks.5 blocks.8 blocks.11", (channels,) * 4, (patch,) * 4, signed=True)


def _patches() -> tuple[Level, ...]:
    return _levels("patches", (384,), (4,), signed=True)


_VGG = _levels("pool2 pool3 pool4 pool5", (128, 256, 512, 512), (4, 8, 16, 32), signed=False)
_CONVNEXT = _levels("stages.0 stages.1 stages.2", (96, 192, 384), (4, 8, 16), signed=True)
_BSD, _APACHE = "bsd-3-clause", "apache-2.0"

CURATED = (
    TeacherInfo(
        "pocket",
        SHIPPED,
        _levels("stage1 stage2 stage3", (64, 128, 256), (4, 8, 16), signed=False),
        1_404_288,
        POCKET_LICENCE,
    ),
    TeacherInfo("resnet18", "timm/resnet18.tv_in1k", _resnet(64, 128, 256), 2_782_784, _BSD),
    TeacherInfo("resnet34", "timm/resnet34.tv_in1k", _resnet(64, 128, 256), 8_170_304, _BSD),
    TeacherInfo("resnet50", "timm/resnet50.tv_in1k", _resnet(256, 512, 1024), 8_543_296, _BSD),
    TeacherInfo("resnet50_caffe", FROM_FILE, _resnet(256, 512, 1024), 8_543_296, "mit"),
    TeacherInfo("wide_resnet50_2", "timm/wide_resnet50_2.tv_in1k", _resnet(256, 512, 1024), 24_862_528, _BSD),
    TeacherInfo("vgg11", "timm/vgg11.tv_in1k", _VGG, 9_220_480, _BSD),
    TeacherInfo("vgg16", "timm/vgg16.tv_in1k", _VGG, 14_714_688, _BSD),
    TeacherInfo("vgg19", "timm/vgg19.tv_in1k", _VGG, 20_024_384, _BSD),
    TeacherInfo("vgg11_bn", "timm/vgg11_bn.tv_in1k", _VGG, 9_225_984, _BSD),
    TeacherInfo("vgg16_bn", "timm/vgg16_bn.tv_in1k", _VGG, 14_723_136, _BSD),
    TeacherInfo("vgg19_bn", "timm/vgg19_bn.tv_in1k", _VGG, 20_035_392, _BSD),
    TeacherInfo("mobilenetv2_100", "timm/mobilenetv2_100.ra_in1k", _mobile(24, 32, 96), 542_528, _APACHE),
    TeacherInfo(
        "mobilenetv3_large_100", "timm/mobilenetv3_large_100.ra_in1k", _mobile(24, 40, 112), 792_488, _APACHE
    ),
    TeacherInfo("efficientnet_b0", "timm/efficientnet_b0.ra_in1k", _mobile(24, 40, 112), 851_808, _APACHE),
    TeacherInfo("efficientnet_b4", "timm/efficientnet_b4.ra2_in1k", _mobile(32, 56, 160), 3_635_984, _APACHE),
    TeacherInfo("convnext_tiny", "timm/convnext_tiny.in12k_ft_in1k", _CONVNEXT, 12_348_000, _APACHE),
    TeacherInfo(
        "deit_tiny_patch16_224", "timm/deit_tiny_patch16_224.fb_in1k", _vit(192, 16), 5_524_032, _APACHE
    ),
    TeacherInfo("pdn_small", FROM_FILE, _patches(), 2_694_144, "that of the file"),
    TeacherInfo("pdn_medium", FROM_FILE, _patches(), 8_026_624, "that of the file"),
    TeacherInfo(
        "vit_small_patch14_dinov2",
        "timm/vit_small_patch14_dinov2.lvd142m",
        _vit(384, 14),
        22_055_424,
        _APACHE,
    ),
    TeacherInfo(
        "vit_base_patch14_reg4_dinov2",
        "timm/vit_base_patch14_reg4_dinov2.lvd142m",
        _vit(768, 14),
        86_580_480,
        _APACHE,
    ),
)
