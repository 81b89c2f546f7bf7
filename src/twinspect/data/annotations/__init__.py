"""Annotations: files of annotation tools that mark anomalous pixels, one module a format."""

from twinspect.data.annotations.reading import read_annotated_mask, read_annotations
from twinspect.data.annotations.record import Annotations, NotRead

__all__ = ["Annotations", "NotRead", "read_annotated_mask", "read_annotations"]
