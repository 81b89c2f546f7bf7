"""What scoring does on CUDA, seen without a GPU: tensors that say they lie there, and hold no values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from drawn_parts import TEACHER
from twinspect import maps
from twinspect.methods import dinomaly, method_class
from twinspect.methods.config import make_config
from twinspect.methods.networks import feature_amplifier
from twinspect.model.whole_image import Model
from twinspect.teachers import create_teacher

if TYPE_CHECKING:
    from collections.abc import Iterator

CUDA = torch.device("cuda", 0)
KEPT = (
    maps._kept,
    maps._enlarging_matrix,
    maps._blurring_matrix,
    maps._touching,
    dinomaly.resizing_matrix,
    feature_amplifier.position_encoding,
)


class Copies(TorchDispatchMode):
    """Counts copies between devices: each waits for the device, and no graph can hold it."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [each for each in (*args, result) if isinstance(each, torch.Tensor)]
        self.count += len({tensor.device for tensor in tensors if tensor.dim()}) > 1  # launches hold numbers
        return result


@pytest.fixture
def pretended() -> Iterator[None]:
    """Tensors without values, which no cache may keep."""
    for cache in KEPT:
        cache.cache_clear()
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield
    for cache in KEPT:
        cache.cache_clear()


def on_cuda(model: nn.Module) -> None:
    """Put tensors on CUDA in the place of a model's."""
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    there = torch.empty_strided(
                        tensor.shape, tensor.stride(), dtype=tensor.dtype, device=CUDA
                    )
                    tensors[name] = nn.Parameter(there) if tensors is module._parameters else there


@pytest.mark.parametrize("method", ["aand", "dinomaly", "dual", "mkd", "rd", "stfpm"])
def test_nothing_waits_for_the_device_when_images_are_scored(
    method: str, request: pytest.FixtureRequest
) -> None:
    teacher, layers, side = (
        ("test_vit", None, 160) if method == "dinomaly" else (TEACHER["teacher"], [0, 1], 64)
    )
    config = make_config(method_class(method).Config, None, {"size": side})
    model = Model.build(method, config, create_teacher(teacher, weights="random", layers=layers))
    request.getfixturevalue("pretended")
    on_cuda(model)
    images = torch.zeros(2, 3, side, side, device=CUDA)
    everywhere = torch.ones(2, side, side, dtype=torch.bool, device=CUDA)
    model.infer(images, everywhere)  # what is constant is copied once
    with torch.inference_mode(), Copies() as copies:
        outputs = [model.infer(images), model.infer(images, everywhere)]
    assert copies.count == 0
    assert {tensor.device for output in outputs for tensor in output} == {CUDA}


@pytest.mark.usefixtures("pretended")
def test_constants_are_kept_on_cuda_and_can_take_part_in_training() -> None:
    level = torch.zeros(1, 4, 4, device=CUDA)
    with torch.inference_mode():
        kept = maps.constant(maps._blurring_matrix, 4, 1.0, like=level)
    assert maps.constant(maps._blurring_matrix, 4, 1.0, like=level) is kept
    assert not kept.is_inference()
    assert (kept.device, kept.dtype) == (CUDA, torch.float32)
    assert maps.constant(maps._blurring_matrix, 4, 1.0, like=level.half()).dtype == torch.float16
    assert maps.constant(maps._blurring_matrix, 4, 1.0, like=torch.zeros(1)).device.type == "cpu"
