"""A traced graph on its way to files: encoded for its runtime in any precision, and opened there for a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from twinspect.bundle.exports import export_name, write_export
from twinspect.errors import ExportError
from twinspect.export.quantizable_layers import layers_of
from twinspect.export.writers import WRITERS
from twinspect.inference.runtimes import RUNTIMES, open_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from twinspect.export.quantizable_layers import Layer
    from twinspect.export.writers import Int8Writer
    from twinspect.inference.graph_engine import GraphEngine


@dataclass(frozen=True)
class GraphBuilder:
    """Turns a graph into the files of a runtime.

    Attributes:
        graph: an ``onnx.ModelProto``, in floats.
        record: the export's record so far: ``runtime``, ``precision``, ``fixed_size``.
        metadata: kept in the files.
    """

    graph: Any
    record: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        """The export's."""
        size = self.record["fixed_size"]
        return export_name(self.record["runtime"], self.record["precision"], size and (size[0], size[1]))

    def floats(self, precision: str = "fp32") -> dict[str, bytes]:
        """Give the contents of the files in ``fp32`` or ``fp16``, by name."""
        return WRITERS[self.record["runtime"]].encode(self.graph, self.metadata, precision)

    def integers(self, layers: Sequence[Layer], images: Sequence[NDArray[np.uint8]]) -> dict[str, bytes]:
        """Give the contents of the files where some layers compute in integers, by name.

        Args:
            layers: those layers.
            images: (H, W, 3) uint8 normal images that value ranges are measured on.
        """
        names = [layer.name for layer in layers]
        return self._int8().encode(self.graph, names, images, self.metadata)

    def layers(self) -> list[Layer]:
        """List the layers that the runtime can compute in integers.

        Raises:
            ExportError: there are none.
        """
        if layers := layers_of(self.graph, self._int8().operations):
            return layers
        raise ExportError("this model has no layers that could compute in int8; type: --precision fp16")

    def open(self, files: dict[str, bytes]) -> GraphEngine:
        """Load files into their runtime, on the device that it is for."""
        device = RUNTIMES[self.record["runtime"]].device
        # Where files cannot be deleted while weights are mapped from them, they stay behind.
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            return open_engine(write_export(Path(folder), self.name, self.record, files), device)

    def _int8(self) -> Int8Writer:
        int8 = WRITERS[self.record["runtime"]].int8
        assert int8 is not None  # noqa: S101 - checked before the model was traced
        return int8
