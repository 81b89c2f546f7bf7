"""A model that only scores: each BatchNorm is folded into the convolution before it, which saves a pass."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twinspect.model.base import ScoringModel

WeightsVersion = tuple[tuple[int, int], ...]
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_FOLDED: WeakKeyDictionary[ScoringModel, tuple[WeightsVersion, ScoringModel]] = WeakKeyDictionary()
_FOLDING = threading.Lock()
"""fx replaces how modules are called while it traces, and puts that back afterwards: only one may do so at a time."""


def weights_version(model: nn.Module) -> WeightsVersion:
    """Give what changes as soon as a parameter or buffer of a model does: where it lies, and how often it changed."""
    tensors = [*model.parameters(), *model.buffers()]
    return tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)  # noqa: SLF001 - no public name


def folded(model: ScoringModel) -> ScoringModel:
    """Give a model with the same scores up to rounding and without the BatchNorm that follows convolutions.

    All other weights are shared. The copy is kept for the next call, until a weight of the model changes. Several
    threads may call this, while others compute with any modules.

    Args:
        model: in evaluation mode; it stays as it is. A model that is being trained is returned itself.
    """
    if model.training or not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        return model
    version = weights_version(model)
    with _FOLDING:
        kept = _FOLDED.get(model)
        if kept is None or kept[0] != version:
            kept = version, _fold(model)
            _FOLDED[model] = kept
    return kept[1]


def _fold(model: ScoringModel) -> ScoringModel:
    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    scoring = copy.deepcopy(model, shared)  # tensors count as copied already
    for container, convolution, norm in list(_foldable(scoring)):
        conv, batch_norm = container.get_submodule(convolution), container.get_submodule(norm)
        with torch.inference_mode(mode=False), torch.no_grad():
            _take_in(conv, batch_norm)
        container.set_submodule(norm, _without_norm(batch_norm))
    return scoring


def _foldable(module: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Find pairs of which the second takes all that the first gives: a module, and the names of both within it."""
    if not any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
        return
    try:
        graph = _Tracer().trace(module)
    except Exception:  # noqa: BLE001 - code that depends on values cannot be traced, and fails in any way; its parts may be
        for part in module.children():
            yield from _foldable(part)
        return
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(module.get_submodule(node.target), nn.BatchNorm2d):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) > 1:
            continue
        called_once = calls[node.target] == calls[before.target] == 1
        if called_once and _can_fold(module.get_submodule(before.target), module.get_submodule(node.target)):
            yield module, before.target, node.target


def _can_fold(conv: nn.Module, norm: nn.Module) -> bool:
    """Tell whether a BatchNorm does what torch's or timm's does, and nobody listens to what comes before it."""
    return (
        (type(conv) is nn.Conv2d or (type(conv) is nn.ConvTranspose2d and conv.groups == 1))
        and type(norm).__name__ in ("BatchNorm2d", "BatchNormAct2d")
        and isinstance(norm.running_mean, Tensor)
        and not (conv._forward_hooks or norm._forward_hooks)  # noqa: SLF001 - torch has no public name
    )


class _Tracer(fx.Tracer):
    """Follows the code of all modules but convolutions and BatchNorm, also those that inherit from them.

    It is asked about every module that any thread of the process calls; those of other threads it leaves alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*_CONVOLUTIONS, nn.BatchNorm2d)) or super().is_leaf_module(
            m, module_qualified_name
        )


def _take_in(conv: Any, norm: Any) -> None:
    """Scale and shift a convolution as the BatchNorm after it does; in 64 bits, so that it is rounded once."""
    values = (conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    doubles: list[Any] = [None if value is None else value.detach().double() for value in values]
    weight, bias, mean, var, scale, shift = doubles
    new_weight, new_bias = fuse_conv_bn_weights(
        weight, bias, mean, var, norm.eps, scale, shift, transpose=isinstance(conv, nn.ConvTranspose2d)
    )
    kind, layout = conv.weight.dtype, torch.channels_last
    conv.weight = nn.Parameter(new_weight.to(kind).contiguous(memory_format=layout), requires_grad=False)
    conv.bias = nn.Parameter(new_bias.to(kind), requires_grad=False)


def _without_norm(norm: nn.Module) -> nn.Module:
    """Keep what timm's BatchNorm does after normalising."""
    after = [
        getattr(norm, name) for name in ("drop", "act") if isinstance(getattr(norm, name, None), nn.Module)
    ]
    return nn.Sequential(*after)
