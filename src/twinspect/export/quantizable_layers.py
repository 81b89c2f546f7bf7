"""The layers of a graph with weights: those of the networks, which may compute in integers, and no others."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

PASSTHROUGH: Final = frozenset({"Add", "Concat", "MaxPool", "Relu"})
"""Operations that integers pass through."""
_SCOPES: Final = "pkg.torch.onnx.name_scopes"
_CLASSES: Final = "pkg.torch.onnx.class_hierarchy"
"""Where the exporter notes the modules and classes that a node comes from: outermost first, the function last."""
_PACKAGE: Final = "twinspect."
_METHOD: Final = "method"


@dataclass(frozen=True)
class Layer:
    """A node of a network that has weights.

    Attributes:
        name: name of the node.
        module: its module in the model, for instance ``teacher.backbone.layer1.0.conv1``; that of the normalisation
            that was folded into it, if there was one.
    """

    name: str
    module: str


def layers_of(graph: Any, operations: Collection[str]) -> list[Layer]:
    """List the layers of all networks, in the order in which they compute.

    A layer is what a module of torch, timm or another package computes with a weight, below a method. What modules of
    twinspect compute themselves is arithmetic that compares and joins (distances, memories, fusion, scores); that has
    constant matrices too, and stays in floats.

    Args:
        graph: an ``onnx.ModelProto``, with the exporter's metadata.
        operations: the operations that count, by ONNX's names.
    """
    constants = {weight.name for weight in graph.graph.initializer}
    return [
        Layer(node.name, module)
        for node in graph.graph.node
        if node.op_type in operations and node.input[1] in constants and (module := _module(node))
    ]


def passthrough_nodes(graph: Any, layers: Iterable[str]) -> set[str]:
    """Name the nodes that only pass on, or add up, the outputs of layers.

    Args:
        graph: an ``onnx.ModelProto``.
        layers: names of nodes.
    """
    names = set(layers)
    nodes: set[str] = set()
    values: set[str] = set()
    for node in graph.graph.node:
        passes = node.op_type in PASSTHROUGH and values.issuperset(node.input)
        if passes:
            nodes.add(node.name)
        if passes or node.name in names:
            values.update(node.output)
    return nodes


def _module(node: Any) -> str:
    """Name the module below a method that computes a node; empty if there is none, or it is one of twinspect's."""
    metadata = {entry.key: entry.value for entry in node.metadata_props}
    if _SCOPES not in metadata or _CLASSES not in metadata:
        return ""
    *_, module, _function = ast.literal_eval(metadata[_SCOPES])
    *_, class_name, _function = ast.literal_eval(metadata[_CLASSES])
    parts = module.split(".")
    if class_name.startswith(_PACKAGE) or _METHOD not in parts:
        return ""
    # Every path begins with the model and contains its method; a joined model's members differ in the rest.
    return ".".join(part for part in parts[1:] if part != _METHOD)
