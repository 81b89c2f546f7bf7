"""What the scripts that distil a teacher share: the learning rate's course, and the best weights as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors.torch import save

from twinspect.utils.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def rate(step: int, steps: int, warm: int, cool: float) -> float:
    """Give a step's share of the highest learning rate: up, level, and down to zero at the end.

    Args:
        step: its number, from 0.
        steps: of the whole training.
        warm: steps up to the highest rate.
        cool: share of the steps over which it goes down.
    """
    return min((step + 1) / warm, 1.0, (steps - step) / (cool * steps))


def write_weights(path: Path, network: nn.Module, record: dict[str, str]) -> None:
    """Write a network's weights in half precision, with what is to be known of them."""
    tensors = {name: tensor.half().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(path, save(tensors, record))
