"""One graph from uint8 RGB of any size to raw score and map: preparation, networks and fusion, as trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from twinspect.errors import optional
from twinspect.export.quiet import quiet
from twinspect.inference.graph_engine import IMAGES, MAP, SCORE

if TYPE_CHECKING:
    from twinspect.model.base import ScoringModel

OPSET: Final = 18
"""The first in which ``Resize`` can antialias as torch does."""
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


def to_onnx(model: ScoringModel, fixed_size: tuple[int, int] | None = None) -> Any:
    """Trace a model into an ONNX graph.

    Args:
        model: on the CPU, in evaluation mode, and computing no gradient.
        fixed_size: height and width of the only images to take, one at a time; ``None`` for any number of any size.

    Returns:
        An ``onnx.ModelProto`` of opset 18: ``images`` (B, H, W, 3) uint8 to ``score`` (B,) and ``map`` (B, H, W).

    Raises:
        MissingExtraError: the packages that write ONNX are not installed.
    """
    optional("onnxscript", "onnx")
    example = torch.zeros(*((1, *fixed_size) if fixed_size else _EXAMPLE), 3, dtype=torch.uint8)
    any_size = dict.fromkeys(range(3), torch.export.Dim.DYNAMIC)
    graph = Graph(model).eval()
    with quiet(), torch.no_grad():
        # Some constants are computed and cached on first use; during tracing they would not be numbers.
        graph(example)
        program = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[IMAGES],
            output_names=[SCORE, MAP],
            dynamic_shapes=None if fixed_size else (any_size,),
            verbose=False,
        )
    assert program is not None  # noqa: S101 - it is None only without dynamo
    return _name_dimensions(program.model_proto, fixed=fixed_size is not None)


def _name_dimensions(graph: Any, *, fixed: bool) -> Any:
    """Name the dimensions of input and outputs, unless they are fixed."""
    names = ("batch", "height", "width")
    for value in () if fixed else (*graph.graph.input, *graph.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            dimension.dim_param = name
    return graph
