"""The content of a bundle's ``weights.safetensors``: tensors by name, and no code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load, save

from twinspect.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


def serialize_weights(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the content of the file."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def deserialize_weights(content: bytes, path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file.

    Args:
        content: of the file.
        path: of the file, for the error message.

    Raises:
        BundleError: it is not a safetensors file.
    """
    try:
        return load(content)
    except SafetensorError as error:
        raise BundleError(f"{path} is not a safetensors file ({error}); copy the model again") from error
