"""The backbones of teachers: which exist, which levels they have, and how to build one without weights.

Every model of timm can be built; two things differ from timm's own feature extractors. A VGG returns the
outputs of its *poolings* (methods of the MKD family are defined on these; timm returns their inputs), and
``resnet50_caffe`` is ResNet-50 in its original layout.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import timm
import torch
from timm.models._features import FeatureGetterNet, FeatureHookNet
from torch import nn

from twinspect.errors import ConfigError, TeacherError
from twinspect.teachers.curated import CURATED
from twinspect.teachers.feature_levels import select_levels
from twinspect.teachers.feature_maps import TimmMaps, TokenMaps, VGGPools
from twinspect.teachers.wording import summarize_error

if TYPE_CHECKING:
    from collections.abc import Sequence

CAFFE = "resnet50_caffe"
"""ResNet-50 as first published: the stride of a stage sits in the first 1x1 convolution (He et al. 2016)."""

PREFERRED_TAG = "tv_in1k"
"""The torchvision weights, which the papers use; preferred where no tag is given."""

DEFAULT_STRIDES = (4, 8, 16)
DEFAULT_BLOCKS = 4
"""Number of evenly spaced blocks that a network with a single stride (a ViT) has as default levels."""


@dataclass(frozen=True)
class Design:
    """Architecture and weights behind a teacher's name.

    Attributes:
        architecture: timm's name without a tag, or ``resnet50_caffe``.
        tag: of timm's weights; empty if there are none or only untagged ones.
        repository: of the weights on the hub; empty if there is none.
        filename: of the weights in the repository.
        mean: subtracted from R, G, B in 0..1.
        std: divisor of R, G, B after that.
        input_size: side of the square images it was trained on, in pixels.
        licence: of the weights, as timm states it; empty if it does not.
    """

    architecture: str
    tag: str
    repository: str
    filename: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    input_size: int
    licence: str

    @property
    def name(self) -> str:
        """The full name, tag included."""
        return f"{self.architecture}.{self.tag}" if self.tag else self.architecture


@dataclass(frozen=True)
class Network:
    """A network without weights.

    Attributes:
        backbone: maps (B, 3, H, W) to one (B, C, h, w) map per level.
        prefix: of its tensors' names, before timm's own names.
        multiple: both sides of an image must be multiples of this, in pixels.
        fixed: the only side it accepts, in pixels; 0 if it accepts any.
    """

    backbone: nn.Module
    prefix: str
    multiple: int = 1
    fixed: int = 0


def parse_name(name: str) -> Design:
    """Look up a teacher's name.

    Args:
        name: a model of timm with or without a tag, or ``resnet50_caffe``.

    Raises:
        ConfigError: no such model or tag; the message suggests the nearest names.
    """
    architecture, _, tag = name.partition(".")
    base = timm_architecture(architecture)
    if not _is_listed(base):
        raise _unknown(name)
    tag = "" if architecture == CAFFE and not tag else _choose_tag(base, tag)
    settings = _settings(base, tag or _choose_tag(base, ""))
    on_hub = architecture != CAFFE and settings.hf_hub_id
    return Design(
        architecture=architecture,
        tag=tag,
        repository=settings.hf_hub_id if on_hub else "",
        filename=_safe_filename(settings.hf_hub_filename or ""),
        mean=settings.mean,
        std=settings.std,
        input_size=settings.input_size[-1],
        licence=settings.license or "",
    )


def timm_architecture(architecture: str) -> str:
    """Return the name of timm's model of an architecture."""
    return "resnet50" if architecture == CAFFE else architecture


def _is_listed(architecture: str) -> bool:
    """Tell whether timm lists a model; names that it calls deprecated are not."""
    return architecture in timm.list_models(architecture)  # sorts one name, not 1300


def _unknown(name: str) -> ConfigError:
    names = sorted({*timm.list_models(), *(row.name for row in CURATED)})
    close = difflib.get_close_matches(name.partition(".")[0], names, n=4, cutoff=0.5)
    hint = f"nearest: {', '.join(close)}; " if close else ""
    return ConfigError(
        f"no teacher {name!r}; {hint}any model name of timm works; for the recommended ones type: "
        f"twinspect teachers"
    )


def _choose_tag(architecture: str, given: str) -> str:
    tags = [name.partition(".")[2] for name in timm.list_models(architecture, include_tags=True)]
    if given and given not in tags:
        raise ConfigError(
            f"{architecture} has no weights tagged {given!r}; "
            f"allowed: {', '.join(filter(None, tags)) or 'none'}"
        )
    return given or (PREFERRED_TAG if PREFERRED_TAG in tags else _settings(architecture, "").tag or "")


def _settings(architecture: str, tag: str) -> Any:
    """Read timm's record of pretrained weights, or timm's defaults for a model without any."""
    record = timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
    return record or timm.models.PretrainedCfg()


def _safe_filename(filename: str) -> str:
    """Return the name of the safetensors file next to a pickled one."""
    if filename.endswith(".safetensors"):
        return filename
    return "open_clip_model.safetensors" if filename.startswith("open_clip") else "model.safetensors"


@cache
def level_numbers(architecture: str) -> dict[int, str]:
    """List the levels of a network by number and name, fine to coarse.

    The numbers are timm's ``out_indices``; for a VGG, number k is the k-th pooling.

    Raises:
        TeacherError: timm cannot extract feature maps from this model.
    """
    rows = _feature_rows(architecture)
    if _is_vgg(architecture):
        return {number: f"pool{number}" for number in range(1, len(rows))}
    return {number: row["module"] for number, row in enumerate(rows)}


def blocks_of(name: str) -> int:
    """Count the blocks of a teacher with a single stride, such as a vision transformer; 0 for all others.

    Args:
        name: a model of timm with or without a tag; 0 for any other name.
    """
    architecture = name.partition(".")[0]
    if not _is_listed(architecture) or _is_vgg(architecture):
        return 0
    return _blocks(architecture)


def numbers_at(name: str, strides: Sequence[int]) -> tuple[int, ...] | None:
    """Number the deepest levels of a network at some strides; None where it does not have them all.

    Args:
        name: a model of timm with or without a tag, or ``resnet50_caffe``; None for any other name.
        strides: in pixels of the image, such as 8 and 16.
    """
    architecture = name.partition(".")[0]
    if not _is_listed(timm_architecture(architecture)):
        return None
    rows = _feature_rows(architecture)
    deepest = {rows[number]["reduction"]: number for number in level_numbers(architecture)}
    is_complete = len(deepest) > 1 and deepest.keys() >= set(strides)
    return tuple(deepest[stride] for stride in strides) if is_complete else None


def _blocks(architecture: str) -> int:
    rows = _feature_rows(architecture)
    return len(rows) if len({row["reduction"] for row in rows}) == 1 else 0


@cache
def _feature_rows(architecture: str) -> tuple[dict[str, Any], ...]:
    with torch.random.fork_rng(devices=[]):
        return tuple(_create(architecture)[0].feature_info.info)


def choose_levels(architecture: str, layers: Sequence[int | str] | None) -> tuple[str, ...]:
    """Turn requested layers into level names, fine to coarse.

    Args:
        architecture: as :class:`Design` has it.
        layers: numbers or names of levels (see :func:`level_numbers`), in any order; None for the default:
            strides 4, 8, 16; of a VGG pool2..pool5; of a ViT four evenly spaced blocks, the last included.

    Raises:
        ConfigError: no such level, one given twice, or none at all; the message lists the levels.
    """
    numbers = level_numbers(architecture)
    if layers is None:
        return _default_levels(architecture, numbers)
    return select_levels(numbers, layers, architecture)


def _default_levels(architecture: str, numbers: dict[int, str]) -> tuple[str, ...]:
    if _is_vgg(architecture):
        return tuple(numbers.values())[1:]
    names = tuple(numbers.values())
    if _blocks(architecture):
        count = min(DEFAULT_BLOCKS, len(names))
        return tuple(names[len(names) * step // count - 1] for step in range(1, count + 1))
    reductions = [row["reduction"] for row in _feature_rows(architecture)]
    deepest_of_stride = dict(zip(reductions, names, strict=True))
    return tuple(deepest_of_stride[s] for s in DEFAULT_STRIDES if s in deepest_of_stride) or names


def build(architecture: str, levels: Sequence[str], seed: int = 0) -> Network:
    """Build a network with random weights, as deep as its deepest level and no deeper.

    Args:
        architecture: as :class:`Design` has it.
        levels: names of levels, fine to coarse.
        seed: of the random weights; torch's own random state is left as it was.

    Raises:
        TeacherError: timm cannot extract feature maps from this model, or has no level of that name.
    """
    numbers = {name: number for number, name in level_numbers(architecture).items()}
    unknown = [name for name in levels if name not in numbers]
    if unknown:
        raise TeacherError(
            f"{architecture} of the installed timm {timm.__version__} has no level {unknown[0]!r}"
        )
    indices = tuple(numbers[name] for name in levels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if _is_vgg(architecture):
            return Network(VGGPools(_create(architecture, (0, indices[-1]))[0], indices), "")
        net, dynamic = _create(architecture, indices)
    multiple, fixed = _sizes(architecture, dynamic=dynamic)
    backbone, prefix = _wrap(net)
    if architecture == CAFFE:
        _to_caffe(net)
    return Network(backbone, prefix, multiple, fixed)


def _is_vgg(architecture: str) -> bool:
    return bool(timm.models.is_model_in_modules(timm_architecture(architecture), ["vgg"]))


def _is_sized(architecture: str) -> bool:
    """Tell whether a network is built for one image size by default."""
    return bool(_settings(timm_architecture(architecture), "").fixed_input_size)


def _create(architecture: str, indices: tuple[int, ...] | None = None) -> tuple[Any, bool]:
    """Let timm build a feature extractor; the second value tells whether it accepts images of any size."""
    options: dict[str, Any] = {"features_only": True}
    if indices is not None:
        options["out_indices"] = indices
    if _is_vgg(architecture):
        options["mlp_ratio"] = 1 / 4096  # the classifier of 120 million weights is discarded anyway
    base = timm_architecture(architecture)
    try:
        if _is_sized(architecture):
            return _create_sized(base, options)
        return timm.create_model(base, **options), True
    except (TypeError, RuntimeError, AssertionError, AttributeError, KeyError) as error:
        raise TeacherError(
            f"timm cannot extract feature maps of {architecture} ({summarize_error(error)}); choose another teacher, "
            f"such as {CURATED[0].name}; to list them type: twinspect teachers"
        ) from error


def _create_sized(name: str, options: dict[str, Any]) -> tuple[Any, bool]:
    """Build a network made for one image size so that it accepts others, if possible."""
    try:
        net = timm.create_model(name, dynamic_img_size=True, **options)
    except TypeError:  # this family of models has no such option
        return timm.create_model(name, **options), False
    patches = getattr(getattr(net, "model", net), "patch_embed", None)
    return net, not getattr(patches, "strict_img_size", False)  # some take the option and ignore it


def _sizes(architecture: str, *, dynamic: bool) -> tuple[int, int]:
    """Return the image sides that a network accepts: multiples of the first value; only the second if not 0."""
    if not _is_sized(architecture):
        return 1, 0
    if dynamic:
        return int(_feature_rows(architecture)[0]["reduction"]), 0
    return 1, int(_settings(timm_architecture(architecture), "").input_size[-1])


def _wrap(net: Any) -> tuple[nn.Module, str]:
    if isinstance(net, FeatureGetterNet):
        if hasattr(net.model, "num_prefix_tokens"):
            return TokenMaps(net.model, net.feature_info.out_indices), "net."
        return TimmMaps(net), "net.model."
    if isinstance(net, FeatureHookNet) and "body" in net:
        return TimmMaps(net), "net.body."
    _cut_blocks(net)
    return TimmMaps(net), "net."


def _cut_blocks(net: Any) -> None:
    """Drop the blocks after the last level, which timm keeps in its MobileNets and EfficientNets."""
    container, _, number = net.feature_info.module_name()[-1].partition(".")
    if container == "blocks" and number.isdigit() and isinstance(getattr(net, "blocks", None), nn.Sequential):
        net.blocks = net.blocks[: int(number) + 1]


def _to_caffe(net: Any) -> None:
    """Turn ResNet-50 into its original layout: strides in the 1x1 convolutions, pooling without padding."""
    net["maxpool"] = nn.MaxPool2d(kernel_size=3, stride=2, padding=0, ceil_mode=True)
    for stage in ("layer2", "layer3", "layer4"):
        if stage in net:
            first = net[stage][0]
            first.conv1.stride, first.conv2.stride = (2, 2), (1, 1)
