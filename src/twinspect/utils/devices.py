"""Which device to compute on, and in which precision."""

from __future__ import annotations

import torch

from twinspect.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """Turn ``auto`` into the fastest device available.

    Raises:
        ConfigError: the device asked for is not available.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, present in available.items() if present))
    kind = name.partition(":")[0]
    if not available.get(kind, False):
        names = ", ".join(device for device, present in available.items() if present)
        raise ConfigError(f"no device {name!r} on this machine; allowed: auto, {names}")
    return torch.device(name)


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
        return bool(torch.cuda.is_bf16_supported())
    # Without these instructions a CPU converts to fp32 and back, which is slower (torch has no public name for them).
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    )
