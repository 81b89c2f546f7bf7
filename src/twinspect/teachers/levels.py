"""One level of a teacher: what a student has to imitate there. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """One feature map that a teacher gives.

    Attributes:
        name: what the network calls it: ``layer1``, ``pool3``, ``stages.0``, ``blocks.5``.
        channels: C of the (B, C, h, w) map.
        reduction: stride, in pixels of the input per step of the map: h is about H / reduction.
        signed: whether features may be negative; if not, the level ends in a ReLU.
    """

    name: str
    channels: int
    reduction: int
    signed: bool
