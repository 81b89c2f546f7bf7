"""Annotations: JSON files of annotation tools that mark anomalous pixels, one module a format."""

from twinspect.data.annotations.reading import read_annotated_mask, read_annotations
from twinspect.data.annotations.record import Annotations

__all__ = ["Annotations", "read_annotated_mask", "read_annotations"]
