"""A device of its own without one: tensors that say they lie on it, hold values, and cannot be mixed with a CPU's.

Unlike torch's fake tensors they can be looked at, as code does that counts or chooses. The device is torch's "meta",
which needs no driver.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE = torch.device("meta")
ATEN = torch.ops.aten
MAY_MIX = {
    ATEN.index.Tensor,
    ATEN.index_put.default,
    ATEN.index_put_.default,
    ATEN._index_put_impl_.default,
    ATEN._to_copy.default,
    ATEN.copy_.default,
}
"""Copies, and indices, which CUDA takes from the CPU too."""


class Elsewhere(Tensor):
    """A tensor on the device.

    Args:
        held: its values, on the CPU.
    """

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> Any:
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        return Tensor._make_wrapper_subclass(cls, held.shape, **layout, dtype=held.dtype, device=DEVICE)

    def __init__(self, held: Tensor) -> None:
        self.held = held

    def new_tensor(self, data: Any, **how: Any) -> Tensor:
        """Make a tensor beside this one; torch's own makes one without values."""
        return torch.tensor(data, dtype=how.get("dtype") or self.dtype, device=DEVICE)

    @classmethod
    def __torch_dispatch__(cls, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


class _Factories(TorchDispatchMode):
    """Sees what makes tensors, too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        return computed(func, args, kwargs or {})


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute on the CPU what an operation would there."""
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    is_there = any(isinstance(each, Elsewhere) for each in tensors)
    if is_there and func not in MAY_MIX:
        # As of CUDA, a single number may come from the CPU.
        strangers = [each.shape for each in tensors if not isinstance(each, Elsewhere) and each.dim()]
        if strangers:
            raise RuntimeError(f"{func} gets tensors of the device and, from the CPU, {strangers}")
    device = kwargs.get("device")
    options = kwargs if device is None else {**kwargs, "device": torch.device("cpu")}
    held = tree_map_only(Elsewhere, lambda each: each.held, (args, options))
    results = func(*held[0], **held[1])
    if func._schema.is_mutable and func._schema.name.endswith("_"):
        return args[0]
    if device is not None:
        is_there = torch.device(device) == DEVICE
    elif func is ATEN.index.Tensor:
        is_there = isinstance(args[0], Elsewhere)
    return tree_map_only(Tensor, Elsewhere, results) if is_there else results


@contextmanager
def elsewhere() -> Iterator[None]:
    """Let what is made for the device be a tensor that holds values."""
    tensor, autocast = torch.tensor, torch.autocast

    def made(*given: Any, device: Any = None, **how: Any) -> Tensor:
        values = tensor(*given, **how)
        return Elsewhere(values) if device is not None and torch.device(device) == DEVICE else values

    def unless_there(device: str, *given: Any, **how: Any) -> Any:
        return nullcontext() if device == DEVICE.type else autocast(device, *given, **how)

    with mock.patch("torch.tensor", made), mock.patch("torch.autocast", unless_there), _Factories():
        yield


def move(module: nn.Module) -> None:
    """Bring weights and buffers to the device; they are not trained there."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(Elsewhere(weight.detach()), requires_grad=False)
        part._buffers.update(
            {name: Elsewhere(each) for name, each in part._buffers.items() if each is not None}
        )


def left_behind(module: nn.Module) -> list[str]:
    """Name the weights and buffers that lie on the CPU."""
    return [
        name for name, each in module.state_dict(keep_vars=True).items() if not isinstance(each, Elsewhere)
    ]
