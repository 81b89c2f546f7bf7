"""What every engine is told: which model scores which shards, how, and where the rows go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from twinspect.scale.shard import Summary

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ScoringJob:
    """One run.

    Attributes:
        model: the bundle.
        out: path or URI of the folder of the run.
        export: the name of the export that scores; empty for the networks as they were trained.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        threads: that a model computes by.
        workers: threads that read images; ``None`` for the number of processors, at most 8.
        category: what all images show; ``None`` for what the plan says.
        home: the folder that relative paths begin at.
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
"""Told how many more images are done."""
Run: TypeAlias = Callable[[ScoringJob, Sequence[int], Tick], Iterator[Summary]]
"""An engine: does the shards of these numbers, in any order, and gives a summary of each when it is done."""
