"""The content of a bundle's ``weights.safetensors``: tensors by name, and nothing that could be run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load, save

from twinspect.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


def encode(tensors: Mapping[str, Tensor]) -> bytes:
    """Give the content of the file."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def decode(content: bytes, path: Path) -> dict[str, Tensor]:
    """Give the tensors of a file.

    Args:
        content: what the file holds.
        path: its name, for the error.

    Raises:
        BundleError: it is no such file.
    """
    try:
        return load(content)
    except SafetensorError as error:
        raise BundleError(f"{path} is no safetensors file ({error}); copy the model again") from error
