"""Scoring with the trained RD: images a second from file to map, one at a time and eight at a time, and memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from beside.fitting import train_if_absent
from beside.report import Report, Row
from beside.rounds import Figures, rounds

if TYPE_CHECKING:
    from beside.settings import Settings
    from beside.sides import Side

WAYS = {"engine": "its Engine.predict", "bare": "its networks in a bare loop"}
"""The peer both as its manual has it and as fast as its parts go."""


def measure(settings: Settings) -> Report:
    """Time both, the peer in both ways; nothing of it rescales, thresholds or draws."""
    report = Report()
    for batch in (1, 8):
        turns = {settings.ours.name: partial(_score, settings.ours, settings, batch, "engine")}
        turns |= {way: partial(_score, settings.peer, settings, batch, way) for way in WAYS}
        what = f"score-{settings.data[0].name}-{settings.images}-batch{batch}"
        found = rounds(settings.rounds, settings.out, what, turns)
        for way, words in WAYS.items():
            names, label = (settings.ours.name, way), f"score: batch {batch}, anomalib: {words}"
            report.rows += [
                Row.of(label, "images/s", found, names, "rate"),
                Row.of(label, "MiB", found, names, "mib"),
            ]
    report.notes.append("our maps have the size of the file's image, the peer's that of the network's input")
    return report


def _score(side: Side, settings: Settings, batch: int, way: str) -> Figures:
    model = train_if_absent(side, settings)
    named = ["--model", model, "--batch", batch, "--images", settings.images, "--way", way]
    run = side.run("score.py", *settings.arguments(settings.data[0]), *named)
    return {"rate": run.output["rate"], "mib": run.mib}
