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
"""Images, height and width of the example that is followed: three different numbers, none of which may be kept."""


class Graph(nn.Module):
    """A model as a graph sees it.

    Args:
        model: what to follow; see :meth:`twinspect.model.base.ScoringModel.exportable`.
    """

    def __init__(self, model: ScoringModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Score (B, H, W, 3) uint8 RGB: raw scores (B,) and maps (B, H, W), float32."""
        output = self.model(images.permute(0, 3, 1, 2))
        return output.score, output.map


def to_onnx(model: ScoringModel, fixed_size: tuple[int, int] | None = None) -> Any:
    """Follow a model and write down what it does.

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
        # Constants are computed and kept on first use; while following, what is computed would not be numbers.
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
    assert program is not None  # noqa: S101 - only without dynamo
    return _named(program.model_proto, fixed=fixed_size is not None)


def _named(graph: Any, *, fixed: bool) -> Any:
    """Call the sides of input and outputs what they are."""
    names = ("batch", "height", "width")
    for value in () if fixed else (*graph.graph.input, *graph.graph.output):
        for side, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            side.dim_param = name
    return graph
