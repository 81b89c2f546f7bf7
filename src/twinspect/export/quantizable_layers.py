"""The layers of a graph that carry weights: those of the networks, which integers may compute, and no others."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

PASSING: Final = frozenset({"Add", "Concat", "MaxPool", "Relu"})
"""Operations that integers go through."""
_SCOPES: Final = "pkg.torch.onnx.name_scopes"
_CLASSES: Final = "pkg.torch.onnx.class_hierarchy"
"""Where the exporter says in which module of which class it met a node: outermost first, the function last."""
_OURS: Final = "twinspect."
_METHOD: Final = "method"


@dataclass(frozen=True)
class Layer:
    """A node with weights inside a network.

    Attributes:
        name: of the node.
        module: where it is in the model, for instance ``teacher.backbone.layer1.0.conv1``. Where a normalisation was
            folded into it, the exporter names that.
    """

    name: str
    module: str


def layers_of(graph: Any, kinds: Collection[str]) -> list[Layer]:
    """List the layers of all networks, in the order in which they compute.

    A layer is what a module of torch, timm or another package computes with a weight, below a method. What modules of
    twinspect compute themselves is arithmetic that compares and joins (distances, memories, fusion, scores); that has
    constant matrices too, and stays in floats.

    Args:
        graph: an ``onnx.ModelProto``, with the exporter's metadata.
        kinds: the operations that count, by ONNX's names.
    """
    constants = {weight.name for weight in graph.graph.initializer}
    return [
        Layer(node.name, module)
        for node in graph.graph.node
        if node.op_type in kinds and node.input[1] in constants and (module := _module(node))
    ]


def carriers(graph: Any, layers: Iterable[str]) -> set[str]:
    """Name the nodes that only pass on, or add up, what layers gave.

    Args:
        graph: an ``onnx.ModelProto``.
        layers: names of nodes.
    """
    chosen = set(layers)
    found: set[str] = set()
    values: set[str] = set()
    for node in graph.graph.node:
        passes = node.op_type in PASSING and values.issuperset(node.input)
        if passes:
            found.add(node.name)
        if passes or node.name in chosen:
            values.update(node.output)
    return found


def _module(node: Any) -> str:
    """Say which module below a method computes a node; empty where none does, or one of twinspect itself."""
    told = {entry.key: entry.value for entry in node.metadata_props}
    if _SCOPES not in told or _CLASSES not in told:
        return ""
    *_, module, _function = ast.literal_eval(told[_SCOPES])
    *_, kind, _function = ast.literal_eval(told[_CLASSES])
    parts = module.split(".")
    if kind.startswith(_OURS) or _METHOD not in parts:
        return ""
    # Every model is called so, and has its method; a joined model's members are told apart by the rest.
    return ".".join(part for part in parts[1:] if part != _METHOD)
