"""Training RD for the same number of steps of 16 images of 256 pixels: seconds, peak memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from beside.report import Report, Row
from beside.rounds import Figures, rounds

if TYPE_CHECKING:
    from pathlib import Path

    from beside.settings import Settings
    from beside.sides import Side

FP32 = "twinspect fp32"


def measure(settings: Settings) -> Report:
    """Time the training alone; the memory is that of the whole process. Ours also at the peer's precision."""
    ours, peer = settings.ours, settings.peer
    turns = {
        ours.name: partial(_fit, ours, settings, "auto"),
        FP32: partial(_fit, ours, settings, "fp32"),
        peer.name: partial(_fit, peer, settings, "fp32"),
    }
    what = f"fit-{settings.data[0].name}-{settings.fit_steps}"
    found = rounds(settings.rounds, settings.out, what, turns)
    title = f"fit: RD, {settings.fit_steps} steps"
    report = Report()
    for name, label in ((ours.name, title), (FP32, f"{title}, both fp32")):
        report.rows += [
            Row.of(label, "s", found, (name, peer.name), "seconds"),
            Row.of(label, "MiB", found, (name, peer.name), "mib"),
        ]
    losses = {name: f"{found[-1][name]['loss']:.3f}" for name in turns}
    report.notes.append(f"last loss of RD, the same formula on both sides: {losses}")
    return report


def model_file(side: Side, settings: Settings) -> Path:
    """Say where a side's trained networks lie."""
    return settings.out / f"model-{side.name}-{settings.data[0].name}-{settings.fit_steps}.safetensors"


def _fit(side: Side, settings: Settings, precision: str) -> Figures:
    named = ["--method", "rd", "--steps", settings.fit_steps, "--precision", precision]
    run = side.run(
        "fit.py", *settings.arguments(settings.data[0]), *named, "--model", model_file(side, settings)
    )
    return {"seconds": run.output["seconds"], "mib": run.mib, "loss": run.output["loss"]}


def train_if_absent(side: Side, settings: Settings) -> Path:
    """Give a side's trained networks, trained now if they were not before."""
    file = model_file(side, settings)
    if not file.is_file():
        _fit(side, settings, "fp32")
    return file
