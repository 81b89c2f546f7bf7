"""The antialiased resize of a graph, for OpenVINO, as operations whose cost does not depend on whether a size is new.

OpenVINO's own prepares itself for each image size for about a second, and keeps what it prepared. Ours is a graph of
its own in front of the rest, so that it computes in fp32 even where the networks do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinspect.errors import optional

if TYPE_CHECKING:
    from numpy.typing import NDArray

ANTIALIASED: Final = {"linear_onnx": "bilinear_pillow", "cubic": "bicubic_pillow"}
"""OpenVINO's names of resizes, as it reads them from ONNX and as they are called with antialias."""
_CUBIC: Final = ANTIALIASED["cubic"]


def split_resizes(model: Any) -> Any | None:
    """Take the antialiased resizes out of an ``openvino.Model``, which is changed in place.

    Afterwards the model has a further input for each of them.

    Returns:
        The model that computes these further inputs, in their order, from the same first input; ``None`` if there
        are none.
    """
    opset, openvino = optional("openvino.opset13", "openvino"), optional("openvino", "openvino")
    resizes = [node for node in model.get_ordered_ops() if _is_resize(node)]
    if not resizes:
        return None
    results, images = [], model.get_parameters()
    for node in resizes:
        cubic = node.get_attributes()["mode"] == _CUBIC
        results.append(_resized(node.input_value(0), *_sides(opset, node), cubic=cubic))
        resized = opset.parameter(node.get_output_partial_shape(0), np.float32)
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(resized.output(0))
        model.add_parameters([resized])
    model.validate_nodes_and_infer_types()
    return openvino.Model(results, images)


def _is_resize(node: Any) -> bool:
    return node.get_type_name() == "Interpolate" and node.get_attributes()["mode"] in ANTIALIASED.values()


def _sides(opset: Any, node: Any) -> tuple[Any, Any]:
    """Give the height and width that a resize leads to, as numbers of the graph: they may follow from the image."""
    sizes, zero = opset.convert(node.input_value(1), np.int64), opset.constant(np.int64(0))
    height, width = (opset.gather(sizes, opset.constant(np.int64(place)), zero) for place in (0, 1))
    return height, width


def _resized(images: Any, height: Any, width: Any, *, cubic: bool) -> Any:
    """Resize (B, C, H, W) to the height, then to the width, as torch and Pillow do."""
    opset = optional("openvino.opset13", "openvino")
    swap = opset.constant(np.array([0, 1, 3, 2]))
    rows = _resized_rows(opset, images, height, cubic=cubic)
    return opset.transpose(_resized_rows(opset, opset.transpose(rows, swap), width, cubic=cubic), swap)


def _resized_rows(opset: Any, images: Any, side: Any, *, cubic: bool) -> Any:
    """Bring (B, C, H, W) to (B, C, side, W): each row is the weighted mean of those of the original near it.

    The weights fall off linearly to either side of the row's centre, or like Keys' cubic, which reaches twice as far.
    To stay exact, distances are whole numbers: in units of 1 / (2 * side) of an original row.
    """

    def number(value: int | list[int] | NDArray[np.int64]) -> Any:
        return opset.constant(np.asarray(value, dtype=np.int64))

    def node_of(value: Any) -> Any:
        return number(value) if isinstance(value, int) else value

    def reshape(node: Any, shape: list[Any]) -> Any:
        parts = [opset.reshape(part, number([1]), special_zero=False) for part in map(node_of, shape)]
        return opset.reshape(node, opset.concat(parts, 0), special_zero=True)

    rows = opset.gather(opset.shape_of(images), number([2]), number(0))  # (1,)
    unit = opset.maximum(rows, side)  # where linear weights end, times 2 * side
    reach = opset.multiply(unit, number(2 if cubic else 1))
    # twice the reach in rows, and one more on either side for rounding
    near = opset.add(opset.divide(opset.multiply(reach, number(2)), side), number(3))
    twice = opset.multiply(side, number(2))
    halves = opset.range(number(1), opset.add(twice, number(1)), number(2), "i64")
    centres = opset.multiply(opset.unsqueeze(halves, number(1)), rows)  # (side, 1)
    first = opset.floor(opset.divide(opset.subtract(centres, opset.multiply(reach, number(2))), twice))
    steps = opset.range(number(0), opset.squeeze(near, number(0)), number(1), "i64")
    sources = opset.add(first, steps)  # (side, near)
    odd = opset.add(opset.multiply(sources, number(2)), number(1))
    distances = opset.abs(opset.subtract(opset.multiply(odd, side), centres))
    ends = opset.multiply(unit, number(2))
    heights = _keys(opset, distances, ends) if cubic else opset.relu(opset.subtract(ends, distances))
    last = opset.subtract(rows, number(1))
    inside = opset.logical_and(opset.greater_equal(sources, number(0)), opset.less_equal(sources, last))
    weights = opset.multiply(opset.convert(heights, np.float32), opset.convert(inside, np.float32))
    weights = opset.divide(weights, opset.reduce_sum(weights, number([1]), keep_dims=True))
    kept = opset.minimum(opset.maximum(sources, number(0)), last)
    gathered = opset.gather(images, reshape(kept, [-1]), number(2))  # (B, C, side * near, W)
    width = opset.gather(opset.shape_of(images), number([3]), number(0))
    stacked = reshape(gathered, [0, 0, side, near, width])
    means = opset.matmul(reshape(weights, [side, 1, near]), stacked, False, False)
    return reshape(means, [0, 0, side, width])


def _keys(opset: Any, distances: Any, ends: Any) -> Any:
    """Weigh distances, in units of ``ends``, by the cubic of Keys (1981) with a = -1/2, as torch and Pillow do."""

    def number(value: float) -> Any:
        return opset.constant(np.float32(value))

    def polynomial(*factors: float) -> Any:
        total = number(factors[0])
        for factor in factors[1:]:
            total = opset.add(opset.multiply(total, t), number(factor))
        return total

    t = opset.divide(opset.convert(distances, np.float32), opset.convert(ends, np.float32))
    near, far = polynomial(1.5, -2.5, 0, 1), polynomial(-0.5, 2.5, -4, 2)
    outer = opset.select(opset.less(t, number(2)), far, number(0))
    return opset.select(opset.less(t, number(1)), near, outer)
