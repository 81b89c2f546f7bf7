"""Which device to compute on."""

from __future__ import annotations

import torch

from twinspect.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """Turn ``auto`` into the fastest device there is.

    Raises:
        ConfigError: the device asked for is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    kind = name.partition(":")[0]
    if not available.get(kind, False):
        here = ", ".join(device for device, there in available.items() if there)
        raise ConfigError(f"no device {name!r} on this machine; allowed: auto, {here}")
    return torch.device(name)
