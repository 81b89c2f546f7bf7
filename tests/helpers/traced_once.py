"""A model's exports for both runtimes, of which the second takes the graph of the first: tracing takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def export_for_both(model: Path) -> None:
    """Write an ONNX and an OpenVINO export into a model's folder."""
    import onnx

    from twinspect.export import export, exporter

    graph = export(model, "onnx").folder / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporter, "to_onnx", lambda *_: onnx.load(graph))
        export(model, "openvino")
