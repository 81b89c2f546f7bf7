"""Synthetic anomalies: normal images in, images with defects that nobody had to wait for, and their masks, out."""

from __future__ import annotations

from twinspect.synthesis.foreground import foreground, foregrounds
from twinspect.synthesis.synthesizer import Synthesizer, Synthetic
from twinspect.synthesis.textures import (
    FolderTextures,
    MixedTextures,
    OwnTextures,
    PatternTextures,
    Textures,
)

__all__ = [
    "FolderTextures",
    "MixedTextures",
    "OwnTextures",
    "PatternTextures",
    "Synthesizer",
    "Synthetic",
    "Textures",
    "foreground",
    "foregrounds",
]
