"""An export whose graph gives the mean of the pixels, so that it shows in a score who made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinspect.bundle.exports import write_export
from twinspect.bundle.folder import read_record

if TYPE_CHECKING:
    from pathlib import Path

EXPORT = "onnx-fp32"


def mean_of_pixels() -> bytes:
    """A graph from images (B, H, W, 3) uint8 to their means (B,), and maps of the means of channels."""
    import onnx

    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=kinds.FLOAT),
        helper.make_node("ReduceMean", ["floats", "channels"], ["map"], keepdims=0),
        helper.make_node("ReduceMean", ["floats", "all"], ["score"], keepdims=0),
    ]
    axes = {"channels": [3], "all": [1, 2, 3]}
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images", kinds.UINT8, ["b", "h", "w", 3])],
        [
            helper.make_tensor_value_info("score", kinds.FLOAT, ["b"]),
            helper.make_tensor_value_info("map", kinds.FLOAT, ["b", "h", "w"]),
        ],
        [
            *(helper.make_tensor(name, kinds.INT64, [len(values)], values) for name, values in axes.items()),
            helper.make_tensor(
                "weights", kinds.FLOAT, [1000], bytes(4000), raw=True
            ),  # enough for a file of their own
        ],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(whole.SerializeToString())


def add_export(model: Path, name: str = EXPORT, milliseconds: float = 1.0, **record: Any) -> Path:
    """Put such a graph into a model."""
    complete = {
        "runtime": "onnx",
        "precision": name.split("-")[1],
        "weights_sha256": read_record(model)["weights"]["sha256"],
        "speed": {"milliseconds": milliseconds, "torch_milliseconds": 2.0},
        **record,
    }
    return write_export(model, name, complete, {"model.onnx": mean_of_pixels()}).folder
