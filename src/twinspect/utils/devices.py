"""Which device to compute on, in which precision, and how tensors get there."""

from __future__ import annotations

import os

import torch
from torch import nn

from twinspect.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """Turn ``auto`` into the fastest device available.

    On CUDA this sets, for the whole process, that fp32 is computed in fp32.

    Raises:
        ConfigError: the device asked for is not available.
    """
    device = _available_device(name)
    if device.type == "cuda":
        # By default torch's convolutions round their inputs to 10 bits there (TF32).
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device


def _available_device(name: str) -> torch.device:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, present in available.items() if present))
    kind, _, index = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not available.get(kind, False) or (index and index not in map(str, range(count))):
        names = ", ".join(device for device, present in available.items() if present)
        raise ConfigError(f"no device {name!r} on this machine; allowed: auto, {names}{_numbered(count)}")
    return torch.device(name)


def _numbered(count: int) -> str:
    return f", cuda:0 to cuda:{count - 1}" if count > 1 else ""


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor to a device; to CUDA from pinned memory, while the CPU goes on."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def device_of(module: nn.Module) -> torch.device:
    """Say where the weights of a module lie; on the CPU where it has none."""
    return next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))


def cache_device(device: torch.device, size: int) -> torch.device:
    """Choose where to keep what is needed again on a device: there, if it takes a quarter of the free memory at most.

    Args:
        device: that computes.
        size: bytes to keep.
    """
    if device.type == "cuda" and 4 * size <= torch.cuda.mem_get_info(device)[0]:
        return device
    return torch.device("cpu")


PRECISIONS = ("fp32", "bf16", "fp16")
_TENSOR_CORES = (7, 0)
"""Compute capability from which on GPUs multiply fp16 several times as fast as fp32."""
_WITHOUT_THEM = "GTX 16"
"""Those of it that do not, by their name; their fp16 is known for NaN in convolutions."""
_ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that forbid oneDNN, which multiplies for torch, newer instructions; the first one that is set counts."""
_WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""Limits with which it converts bf16 by itself: convolutions then take several times as long as in fp32."""


def choose_precision(name: str, device: torch.device) -> str:
    """Turn ``auto`` into the half precision that the device multiplies faster in than in fp32, or into fp32.

    Raises:
        ConfigError: an unknown precision, or one that the device does not train in.
    """
    if name == "auto":
        return _fastest_precision(device)
    if name not in PRECISIONS:
        raise ConfigError(f"precision must be one of auto, {', '.join(PRECISIONS)}; got {name!r}")
    if name == "fp16" and device.type != "cuda":
        raise ConfigError(
            f"precision fp16 trains on CUDA alone, and the device is {device.type}; type: --precision bf16, or auto"
        )
    return name


def _fastest_precision(device: torch.device) -> str:
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        # Older ones than 8.0 emulate bf16, and torch counts that as support.
        if capability >= (8, 0):
            return "bf16"
        has_tensor_cores = capability >= _TENSOR_CORES and _WITHOUT_THEM not in torch.cuda.get_device_name(
            device
        )
        return "fp16" if has_tensor_cores else "fp32"
    return "bf16" if device.type == "cpu" and _multiplies_bf16() else "fp32"


def _multiplies_bf16() -> bool:
    """Tell whether a CPU has instructions for bf16 that oneDNN may use; elsewhere bf16 is slower than fp32."""
    limit = next((os.environ[name] for name in _ISA_LIMITS if name in os.environ), "")
    # Torch has no public name for them, and asks the processor alone.
    return limit.upper() not in _WITHOUT_BF16 and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    )
