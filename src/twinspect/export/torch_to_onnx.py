"""One graph from uint8 RGB of any size to raw score and map: preparation, networks and fusion, as trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from twinspect.errors import optional
from twinspect.export.quiet import quiet
from twinspect.inference.graph_engine import IMAGES, MAP, REGIONS, SCORE
from twinspect.regions.scope import GREY

if TYPE_CHECKING:
    from twinspect.model.base import ScoringModel
    from twinspect.regions.scope import Scope

OPSET: Final = 18
"""The first in which ``Resize`` can antialias as torch does."""
_TRACE: Final = "pkg.torch.onnx.stack_trace"
"""Under this key torch notes the lines of code that a node came from."""
_EXAMPLE: Final = (2, 300, 420)
"""Images, height and width of the example input: three different numbers, none of which may end up in the graph."""


class Graph(nn.Module):
    """A model with the inputs and outputs of the exported graph.

    Args:
        model: what to export; see :meth:`twinspect.model.base.ScoringModel.exportable`.
    """

    def __init__(self, model: ScoringModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Score (B, H, W, 3) uint8 RGB: raw scores (B,) and maps (B, H, W), float32."""
        output = self.model(images.permute(0, 3, 1, 2))
        return output.score, output.map


class RegionGraph(nn.Module):
    """The same of a model that looks at a region of interest.

    Args:
        model: what to export.
        scope: where to look: a region of all images becomes a part of the graph, those of single ones a second input.
        fixed_size: height and width of the only images to take; ``None`` for any size.
    """

    mask: Tensor
    inside: Tensor | None

    def __init__(self, model: ScoringModel, scope: Scope, fixed_size: tuple[int, int] | None) -> None:
        super().__init__()
        self.model, self._blank = model, scope.blank
        self._has_own = scope.shared is None
        if scope.shared is not None:
            size = fixed_size or (scope.shared.mask.shape[0], scope.shared.mask.shape[1])
            self.register_buffer("mask", torch.from_numpy(scope.shared.mask.copy()), persistent=False)
        alike = scope.shared is not None and not model.preprocessing.has_padding
        inside = model.preprocessing.inside(scope.shared, size) if alike else None
        self.register_buffer("inside", inside, persistent=False)

    def forward(self, images: Tensor, regions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Score (B, H, W, 3) uint8 RGB.

        Args:
            images: as said.
            regions: (B, H, W) uint8, 0 where nothing is looked at; ``None`` for the region of all images.

        Returns:
            Raw scores (B,) and maps (B, H, W), float32, the latter 0 where nothing is looked at.
        """
        at = self._laid_over(images.shape[1], images.shape[2])[None] if regions is None else regions > 0
        inside = self.model.preprocessing.inside_of(at) if self.inside is None else self.inside[None]
        if self._blank:
            images = torch.where(at[..., None], images, GREY)
        inside = inside.expand(images.shape[0], *inside.shape[1:])
        output = self.model(images.permute(0, 3, 1, 2), inside)
        return output.score, torch.where(at, output.map, 0.0)

    def _laid_over(self, height: int, width: int) -> Tensor:
        """Give the region at an image's size; see :func:`twinspect.regions.areas.nearest`."""
        down, across = (
            (2 * torch.arange(length) + 1) * side // (2 * length)
            for side, length in zip(self.mask.shape, (height, width), strict=True)
        )
        return self.mask.index_select(0, down).index_select(1, across)


def to_onnx(
    model: ScoringModel, fixed_size: tuple[int, int] | None = None, scope: Scope | None = None
) -> Any:
    """Trace a model into an ONNX graph.

    Args:
        model: on the CPU, in evaluation mode, and computing no gradient.
        fixed_size: height and width of the only images to take, one at a time; ``None`` for any number of any size.
        scope: where to look; ``None`` for whole images.

    Returns:
        An ``onnx.ModelProto`` of opset 18: ``images`` (B, H, W, 3) uint8 to ``score`` (B,) and ``map`` (B, H, W).
        Where each image comes with its own region, that is a second input: ``regions`` (B, H, W) uint8.

    Raises:
        MissingExtraError: the packages that write ONNX are not installed.
    """
    optional("onnxscript", "onnx")
    example = torch.zeros(*((1, *fixed_size) if fixed_size else _EXAMPLE), 3, dtype=torch.uint8)
    any_size = dict.fromkeys(range(3), torch.export.Dim.DYNAMIC)
    graph = (Graph(model) if scope is None else RegionGraph(model, scope, fixed_size)).eval()
    inputs: tuple[Tensor, ...] = (example,)
    names = [IMAGES]
    if scope and not scope.shared:
        inputs, names = (example, torch.ones_like(example[..., 0])), [IMAGES, REGIONS]
    with quiet(), torch.no_grad():
        # Some constants are computed and cached on first use; during tracing they would not be numbers.
        graph(*inputs)
        program = torch.onnx.export(
            graph,
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=[SCORE, MAP],
            dynamic_shapes=None if fixed_size else (any_size,) * len(inputs),
            verbose=False,
        )
    assert program is not None  # noqa: S101 - it is None only without dynamo
    return _name_dimensions(_without_traces(program.model_proto), fixed=fixed_size is not None)


def _without_traces(graph: Any) -> Any:
    """Leave out in which files of this machine each node was traced."""
    for node in (*graph.graph.node, *(node for function in graph.functions for node in function.node)):
        kept = [(entry.key, entry.value) for entry in node.metadata_props if entry.key != _TRACE]
        del node.metadata_props[:]
        for key, value in kept:
            node.metadata_props.add(key=key, value=value)
        node.doc_string = ""
    return graph


def _name_dimensions(graph: Any, *, fixed: bool) -> Any:
    """Name the dimensions of input and outputs, unless they are fixed."""
    names = ("batch", "height", "width")
    for value in () if fixed else (*graph.graph.input, *graph.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            dimension.dim_param = name
    return graph
