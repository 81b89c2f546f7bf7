"""What an ONNX file refers to beside itself: weights in other files, and operators of other libraries.

A model that somebody else made must not read files outside its folder, and some versions of ONNX Runtime read
whatever path a graph names. The file is a tree of protobuf messages; only those that can hold such a reference are
visited, and nothing but the standard library is needed. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twinspect.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_NESTED: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
}
"""The messages that are visited, by the number of the field that they are in."""
_DOMAIN: Final = 7
"""The field of a node that says which library its operator is of."""
_KEY, _VALUE = 1, 2
LIBRARIES: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Those that come with ONNX Runtime."""
_DEEPEST: Final = 200
_LARGEST_FIELD: Final = 2**29 - 1


@dataclass
class References:
    """What a file refers to.

    Attributes:
        files: paths of other files, as they are written.
        libraries: of operators.
    """

    files: set[str] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)


def check_references(graph: bytes, files: Collection[str], path: Path) -> None:
    """Refuse a graph that needs more than its own folder.

    Args:
        graph: content of the ONNX file.
        files: names of the other files that its record lists.
        path: of the file, for the error message.

    Raises:
        BundleError: it names another file or library, or is no ONNX file.
    """
    found = References()
    try:
        _visit("model", memoryview(graph), found, _DEEPEST)
    except (IndexError, ValueError) as error:
        raise BundleError(
            f"{path} is not a graph in the ONNX format ({error}); export the model again"
        ) from error
    if foreign := sorted(found.files - set(files)):
        raise BundleError(
            f"{path} refers to a file that is not part of the export, {foreign[0]!r}: it is not loaded"
        )
    if foreign := sorted(found.libraries - LIBRARIES):
        raise BundleError(f"{path} needs operators of another library, {foreign[0]!r}: it is not loaded")


def _visit(kind: str, message: memoryview, found: References, depth: int) -> None:
    if not depth:
        raise ValueError("its graphs are nested too deeply")
    key = value = ""
    for number, content in _fields(message):
        if kind == "node" and number == _DOMAIN:
            found.libraries.add(str(content, "utf-8", "replace"))
        elif kind == "entry" and number in (_KEY, _VALUE):
            text = str(content, "utf-8", "replace")
            key, value = (text, value) if number == _KEY else (key, text)
        elif number in _NESTED[kind]:
            _visit(_NESTED[kind][number], content, found, depth - 1)
    if key == "location":
        found.files.add(value)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Give the number and content of each field that holds bytes; numbers are skipped."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if number > _LARGEST_FIELD:  # some parsers drop the digits that are too many, and read another field
            raise ValueError(f"a field has number {number}")
        if wire == 2:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise ValueError("it is cut off")
            yield number, message[position : position + length]
            position += length
        elif wire == 0:
            _, position = _varint(message, position)
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise ValueError(f"a field has type {wire}")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number has too many bytes")
