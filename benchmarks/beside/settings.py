"""What every part of the comparison is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from beside.sides import Side


@dataclass(frozen=True)
class Settings:
    """The two sides, what they work on and for how long; the options of the command, checked."""

    ours: Side
    peer: Side
    data: list[Path]
    weights: Path
    textures: Path | None
    out: Path
    rounds: int
    fit_steps: int
    images: int
    maps: int
    side: int
    seeds: int
    steps: int | None
    peer_steps: int
    peer_epochs: int | None
    methods: list[str]
    judge: str

    def arguments(self, data: Path) -> list[object]:
        """Name what both sides' scripts that use a network are told."""
        return ["--data", data, "--weights", self.weights]
