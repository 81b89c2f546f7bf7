"""What is measured: one method of one side on one set, for so long, from one seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OURS, PEER = "twinspect", "anomalib"
AUTO = "auto"
"""Our method where none is named."""


@dataclass(frozen=True)
class Case:
    """One fit and what becomes of it.

    Attributes:
        side: ``twinspect`` or ``anomalib``.
        method: by its side's name.
        teacher: a name.
        data: name of the set.
        minutes: budget by the clock; ``None`` where steps are counted.
        steps: optimiser steps instead; a check that does not depend on what else runs.
        seed: of all that is drawn.
        tile: side of the tiles in pixels of the image; ``None`` for whole images.
    """

    side: str
    method: str
    teacher: str
    data: str
    minutes: float | None
    steps: int | None = None
    seed: int = 0
    tile: int | None = None

    @property
    def row(self) -> tuple[str, str, str, int | None]:
        """What stands in a line of the table: all but set, length and seed."""
        return self.side, self.method, self.teacher, self.tile

    @property
    def length(self) -> str:
        """How long it may train, in words."""
        return f"{self.minutes:g} min" if self.minutes else f"{self.steps} steps"

    @property
    def name(self) -> str:
        """One word for messages and file names."""
        tile = [f"tile{self.tile}"] if self.tile else []
        words = [
            self.data,
            self.side,
            self.method,
            self.teacher,
            *tile,
            self.length.replace(" ", ""),
            self.seed,
        ]
        return "-".join(map(str, words))

    def record(self) -> dict[str, Any]:
        """Return plain JSON values, of which ``Case(**record)`` makes it again."""
        return asdict(self)
