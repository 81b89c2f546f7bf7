"""The resizes of a graph that OpenVINO leaves to NumPy, which is several times faster.

OpenVINO's own antialiased resize prepares itself for each image size for about a second, and keeps what it prepared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import optional
from twinspect.inference.resizing import Kernel, resize, resize_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

ANTIALIASED: Final = {"linear_onnx": "bilinear_pillow", "cubic": "bicubic_pillow"}
"""OpenVINO's names of resizes, as it reads them from ONNX and as they are called with antialias."""
_KERNELS: Final = {
    "bilinear_pillow": Kernel(cubic=False, antialias=True),
    "bicubic_pillow": Kernel(cubic=True, antialias=True),
}
ENLARGING: Final = Kernel(cubic=False, antialias=False)
"""How maps are brought to the size of the images."""


@dataclass(frozen=True)
class InputResizes:
    """The antialiased resizes of what goes into the networks.

    Attributes:
        kernels: of each.
        sides: height and width that the only one brings the images to as they are; ``None`` where something is done
            to them before, or their size decides on the sides.
        before: ``openvino.Model`` that computes for each what is resized, (B, C, H, W) float32, and height and width;
            ``None`` where ``sides`` are known.
    """

    kernels: tuple[Kernel, ...]
    sides: tuple[int, int] | None
    before: Any

    def compute(
        self, inputs: Sequence[NDArray[np.uint8]], before: Callable[..., Any]
    ) -> list[NDArray[np.float32]]:
        """Resize.

        Args:
            inputs: of the graph: (B, H, W, 3) uint8 images, perhaps with regions.
            before: the compiled model; not called where ``sides`` are known.
        """
        if self.sides:
            return [resize_rgb(inputs[0], *self.sides, self.kernels[0])]
        given = list(before(inputs, share_inputs=True).values())
        resized = zip(given[::2], given[1::2], self.kernels, strict=True)
        return [resize(values, int(sides[0]), int(sides[1]), kernel) for values, sides, kernel in resized]


def split_input_resizes(model: Any) -> InputResizes | None:
    """Take the antialiased resizes out of an ``openvino.Model``, which is changed in place.

    Afterwards the model has a further input for each of them.

    Returns:
        What computes these further inputs, in their order; ``None`` if there are none.
    """
    opset, openvino = optional("openvino.opset13", "openvino"), optional("openvino", "openvino")
    resizes = [node for node in model.get_ordered_ops() if _mode(node) in _KERNELS]
    if not resizes:
        return None
    images = model.get_parameters()
    sides = _sides(resizes[0]) if len(resizes) == 1 else None
    kernels = tuple(_KERNELS[_mode(node)] for node in resizes)
    before = [opset.result(node.input_value(place)) for node in resizes for place in (0, 1)]
    for node in resizes:
        resized = opset.parameter(node.get_output_partial_shape(0), np.float32)
        _read_instead(node, resized.output(0))
        model.add_parameters([resized])
    model.validate_nodes_and_infer_types()
    return InputResizes(kernels, sides, None if sides else openvino.Model(before, images))


def cut_enlargement(model: Any, output: str) -> bool:
    """Let an ``openvino.Model`` give a map at the networks' size where all that follows is to enlarge it.

    Args:
        model: is changed in place if so.
        output: the map's name, (B, H, W).

    Returns:
        Whether it does.
    """
    last = model.output(output).get_node().input_value(0).get_node()
    if (
        last.get_type_name() != "Gather"
        or _mode(enlarging := last.input_value(0).get_node()) != "linear_onnx"
    ):
        return False
    _read_instead(enlarging, enlarging.input_value(0))
    model.validate_nodes_and_infer_types()
    return True


def _mode(node: Any) -> str:
    """Name how a node interpolates as NumPy can here, between the centres of pixels; empty for other nodes."""
    if node.get_type_name() != "Interpolate":
        return ""
    attributes = node.get_attributes()
    is_ours = attributes["coordinate_transformation_mode"] == "half_pixel"
    return str(attributes["mode"]) if is_ours else ""


def _read_instead(node: Any, source: Any) -> None:
    """Let what reads a node's output read another one."""
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(source)


def _sides(node: Any) -> tuple[int, int] | None:
    """Give the sides that a node resizes images to, if it takes them as they are and always to the same."""
    source, shape = node, node.get_output_partial_shape(0)
    for kind in ("Convert", "Transpose", "Parameter"):
        source = source.input_value(0).get_node()
        if source.get_type_name() != kind:
            return None
    if shape[2].is_dynamic or shape[3].is_dynamic:
        return None
    return shape[2].get_length(), shape[3].get_length()
