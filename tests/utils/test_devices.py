"""Choosing devices and precisions; CUDA's answers are stubs, what it computes is in tests/gpu."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from twinspect.errors import ConfigError
from twinspect.utils.devices import cache_device, choose_device, choose_precision, to_device

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = True
    yield
    convolutions.allow_tf32, products.allow_tf32 = before


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(("name", "index"), [("auto", None), ("cuda", None), ("cuda:1", 1)])
def test_fp32_on_cuda_is_fp32(name: str, index: int | None) -> None:
    device = choose_device(name)
    assert (device.type, device.index) == ("cuda", index)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("name", ["cuda:2", "cuda:-1", "cuda:x", "cuda:01"])
def test_a_number_that_no_device_has_is_refused(name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"no device '{name}' .*; allowed: auto, cuda, cpu, cuda:0 to cuda:1"
    ):
        choose_device(name)


@pytest.mark.usefixtures("two_gpus")
def test_another_device_leaves_floats_alone() -> None:
    choose_device("cpu")
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(
    ("name", "capability", "precision"),
    [
        ("NVIDIA GeForce GTX 1080", (6, 1), "fp32"),
        ("Tesla V100-SXM2-16GB", (7, 0), "fp16"),
        ("Tesla T4", (7, 5), "fp16"),
        ("NVIDIA GeForce GTX 1660 Ti", (7, 5), "fp32"),
        ("NVIDIA A100", (8, 0), "bf16"),
        ("NVIDIA H100", (9, 0), "bf16"),
        ("NVIDIA B200", (10, 0), "bf16"),
    ],
)
def test_what_a_gpu_multiplies_fastest_is_chosen(
    monkeypatch: pytest.MonkeyPatch, name: str, capability: tuple[int, int], precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert choose_precision("auto", CUDA) == precision
    assert choose_precision("fp16", CUDA) == "fp16"


def test_fp16_is_refused_where_there_is_no_cuda() -> None:
    with pytest.raises(
        ConfigError, match="fp16 trains on CUDA alone, and the device is cpu; type: --precision bf16, or auto"
    ):
        choose_precision("fp16", CPU)


@pytest.mark.parametrize(
    ("limits", "precision"),
    [
        ({}, "bf16"),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, "fp32"),
        ({"DNNL_MAX_CPU_ISA": "avx512_core_vnni"}, "fp32"),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "DNNL_MAX_CPU_ISA": "AVX2"}, "bf16"),
        ({"ONEDNN_MAX_CPU_ISA": "nonsense"}, "bf16"),  # which oneDNN ignores
    ],
)
def test_a_cpu_has_the_instructions_that_onednn_may_use(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, str], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in limits.items():
        monkeypatch.setenv(name, value)
    assert choose_precision("auto", CPU) == precision


@pytest.mark.parametrize(("size", "kept_on"), [(2 * 2**30, "cuda"), (2 * 2**30 + 1, "cpu")])
def test_a_cache_is_on_the_gpu_where_it_leaves_room(
    monkeypatch: pytest.MonkeyPatch, size: int, kept_on: str
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (8 * 2**30, 24 * 2**30))
    assert cache_device(CUDA, size).type == kept_on


def test_on_the_cpu_nothing_is_copied() -> None:
    tensor = torch.ones(2)
    assert to_device(tensor, CPU) is tensor
    assert cache_device(CPU, 1).type == "cpu"
