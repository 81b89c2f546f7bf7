"""Torch's random numbers on the CPU and on a GPU: kept, restored, and left as they were."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


@contextmanager
def unchanged_random_state(device: torch.device) -> Iterator[None]:
    """Put the random states of the CPU and of a device back at the end; a seed is one of all devices."""
    cpu, other = torch.get_rng_state(), device_random_state(device)
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        if other is not None:
            set_device_random_state(other, device)


def device_random_state(device: torch.device) -> Tensor | None:
    """Copy a CUDA device's random state, (n,) uint8 on the CPU; ``None`` of others."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def set_device_random_state(state: Tensor, device: torch.device) -> None:
    """Put a CUDA device into a random state; others have none of their own here."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
