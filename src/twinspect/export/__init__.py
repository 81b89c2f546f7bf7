"""Exports: one graph from pixels to raw score and map, written only if its results match the model's."""

from twinspect.export.exporter import export

__all__ = ["export"]
