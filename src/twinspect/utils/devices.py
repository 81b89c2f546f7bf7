"""Which device to compute on, in which precision, and how tensors get there."""

from __future__ import annotations

import torch

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


def cache_device(device: torch.device, size: int) -> torch.device:
    """Choose where to keep what is needed again on a device: there, if it takes a quarter of the free memory at most.

    Args:
        device: that computes.
        size: bytes to keep.
    """
    if device.type == "cuda" and 4 * size <= torch.cuda.mem_get_info(device)[0]:
        return device
    return torch.device("cpu")


PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}
"""Fabric's name of each precision."""


def choose_precision(name: str, device: torch.device) -> str:
    """Turn ``auto`` into bf16 where the processor multiplies faster in it than in fp32, and into fp32 elsewhere.

    Raises:
        ConfigError: an unknown precision.
    """
    if name == "auto":
        return "bf16" if _is_faster_in_bf16(device) else "fp32"
    if name not in PRECISIONS:
        raise ConfigError(f"precision must be one of auto, {', '.join(PRECISIONS)}; got {name!r}")
    return name


def _is_faster_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        # Older ones emulate it, and torch counts that as support.
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Without these instructions a CPU converts to fp32 and back, which is slower (torch has no public name for them).
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    )
