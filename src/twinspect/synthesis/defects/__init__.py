"""Single defects of a stated kind and size, drawn on good images to try a detector, not to train it."""

from __future__ import annotations

from twinspect.synthesis.defects.canvas import Canvas
from twinspect.synthesis.defects.drawing import DEFECTS, draw_defect

__all__ = ["DEFECTS", "Canvas", "draw_defect"]
