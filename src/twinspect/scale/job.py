"""What every scoring engine is given: which model scores which shards, how, and where the rows go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from twinspect.scale.shard import ShardSummary

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ScoringJob:
    """One run.

    Attributes:
        model: the model folder.
        out: path or URI of the folder of the run.
        export: the name of the export that scores; empty for the networks as they were trained.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        threads: threads that compute in each model.
        workers: threads that read images; ``None`` for the number of processors, at most 8.
        category: the category of all images; ``None`` for the plan's.
        home: the folder that relative paths start from.
    """

    model: Path
    out: str
    export: str = ""
    device: str = "auto"
    threads: int = 1
    workers: int | None = None
    category: str | None = None
    home: str = field(default_factory=os.getcwd)


Tick: TypeAlias = Callable[[int], None]
"""Called with the number of images that were scored since the last call."""
ScoringEngine: TypeAlias = Callable[[ScoringJob, Sequence[int], Tick], Iterator[ShardSummary]]
"""Scores the shards of these numbers, in any order, and yields a summary of each when it is finished."""
