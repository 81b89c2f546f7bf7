"""Exports: one graph from pixels to raw score and map, written only if it says what the model says."""

from twinspect.export.exporter import export

__all__ = ["export"]
