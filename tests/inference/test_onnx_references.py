"""Graphs that refer to files or operators outside their export are never given to a runtime."""

from __future__ import annotations

import random
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from altered import flipped
from twinspect.errors import BundleError
from twinspect.inference.onnx_references import check_references

PATH = Path("model.onnx")


def outside(location: str) -> TensorProto:
    """A tensor whose values are in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value="4")
    return tensor


def graph(*nodes: onnx.NodeProto, initializers: tuple[TensorProto, ...] = ()) -> onnx.GraphProto:
    one = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    return helper.make_graph(list(nodes), "g", [one], [one], list(initializers))


def places(location: str) -> dict[str, onnx.ModelProto]:
    """The same reference at every place where a model may have one."""
    tensor = outside(location)
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    branch = helper.make_node("If", ["x"], ["y"], then_branch=graph(constant), else_branch=graph())
    function = helper.make_function("local", "f", [], ["y"], [constant], [helper.make_opsetid("", 18)])
    by_default = helper.make_function("local", "f", [], ["y"], [], [helper.make_opsetid("", 18)])
    by_default.attribute_proto.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
    sparse = helper.make_graph([], "g", [], [])
    sparse.sparse_initializer.add().values.CopyFrom(tensor)
    return {
        "initializer": helper.make_model(graph(initializers=(tensor,))),
        "constant": helper.make_model(graph(constant)),
        "branch": helper.make_model(graph(branch)),
        "function": helper.make_model(graph(), functions=[function]),
        "default of a function": helper.make_model(graph(), functions=[by_default]),
        "sparse": helper.make_model(sparse),
    }


@pytest.mark.parametrize("place", places("x"))
@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "other.bin"])
def test_files_outside_are_refused_wherever_they_are_named(place: str, location: str) -> None:
    with pytest.raises(BundleError, match="refers to a file that is not part of the export"):
        check_references(places(location)[place].SerializeToString(), ["model.weights"], PATH)


@pytest.mark.parametrize("place", sorted(set(places("x")) - {"function"}))
def test_files_of_the_export_are_allowed(place: str) -> None:
    check_references(places("model.weights")[place].SerializeToString(), ["model.weights"], PATH)


def test_operators_of_other_libraries_are_refused() -> None:
    node = helper.make_node("Run", ["x"], ["y"], domain="evil")
    with pytest.raises(BundleError, match="needs operators of another library, 'evil'"):
        check_references(helper.make_model(graph(node)).SerializeToString(), [], PATH)


def test_numbers_of_fields_with_more_digits_than_some_parsers_read_are_refused() -> None:
    content = places("/etc/passwd")["initializer"].SerializeToString()
    at = content.index(
        b"\x3a"
    )  # field 7, the graph; the same in five bytes of which the last overflows 32 bits
    with pytest.raises(BundleError, match="a field has number"):
        check_references(content[:at] + b"\xba\x80\x80\x80\x10" + content[at + 1 :], [], PATH)


def test_graphs_nested_without_end_are_refused() -> None:
    def wrapped(number: int, content: bytes) -> bytes:
        """A field of that number."""
        size, length = len(content), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    content = b""
    for _ in range(80):
        content = wrapped(1, wrapped(5, wrapped(6, content)))  # a node, its attribute, the graph in that
    with pytest.raises(BundleError, match="nested too deeply"):
        check_references(wrapped(7, content), [], PATH)


def test_damaged_graphs_raise_nothing_else() -> None:
    content = places("model.weights")["branch"].SerializeToString()
    refused = 0
    for seed in range(400):
        damaged = flipped(content, seed) if seed % 2 else random.Random(seed).randbytes(60)
        try:
            check_references(damaged, ["model.weights"], PATH)
        except BundleError:
            refused += 1
    assert refused > 100
