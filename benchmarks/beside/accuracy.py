"""Accuracy with the same weights: ours and the peer's methods, measured by one and the same code on raw maps."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING

from beside.report import Report, table

if TYPE_CHECKING:
    from pathlib import Path

    from beside.settings import Settings
    from beside.sides import Side

METHODS = {"anomalib": ("rd", "stfpm", "patchcore"), "twinspect": ("rd", "aand", "mkd", "dual", "stfpm")}
NAMES = sorted({name for names in METHODS.values() for name in names})
FIGURES = ("image_auroc", "pixel_auroc", "aupro")

Result = dict[str, float]


def measure(settings: Settings) -> Report:
    """Fit and measure what has no result yet; the sides take turns, method by method."""
    results: dict[tuple[str, str, str], list[Result]] = {}
    for seed in range(settings.seeds):
        for data in settings.data:
            for side, method in _turns(settings):
                found = _result(side, method, data, seed, settings)
                results.setdefault((data.name, side.name, method), []).append(found)
    head = ["data", "of", "method", "image AUROC", "pixel AUROC", "AUPRO (0.3)", "steps", "seconds to fit"]
    lines = [[*key, *_cells(runs)] for key, runs in sorted(results.items())]
    note = (
        f"accuracy: {settings.seeds} seeds, in percent, maps and masks of 256 px, by code of {settings.judge}"
    )
    return Report(tables=[table(head, lines)], notes=[note])


def _turns(settings: Settings) -> list[tuple[Side, str]]:
    sides = {side.name: side for side in (settings.peer, settings.ours)}
    longest = max(map(len, METHODS.values()))
    return [
        (sides[name], methods[place])
        for place in range(longest)
        for name, methods in METHODS.items()
        if place < len(methods) and methods[place] in settings.methods
    ]


def _result(side: Side, method: str, data: Path, seed: int, settings: Settings) -> Result:
    """Give what is kept, or fit and judge; maps stay, so that the other judge needs no new fit."""
    length = _length(side, method, settings)
    words = "-".join(length).replace("--", "") or "usual"
    name = f"accuracy-{data.name}-{side.name}-{method}-{words}-{seed}"
    found, fitted = settings.out / f"{name}.npz", settings.out / f"{name}.json"
    if not (fitted.is_file() and found.is_file()):
        named = ["--method", method, "--seed", seed, *length, "--found", found]
        textures = ["--textures", settings.textures] if settings.textures and method == "aand" else []
        run = side.run("fit.py", *settings.arguments(data), *named, *textures)
        fitted.write_text(json.dumps({**run.output, "mib": run.mib}))
    judged = settings.out / f"{name}-by-{settings.judge}.json"
    if not judged.is_file():
        judge = settings.ours if settings.judge == "ours" else settings.peer
        judged.write_text(json.dumps(judge.run("judge.py", _truth(data, settings), found).output))
    result: Result = {**json.loads(fitted.read_text()), **json.loads(judged.read_text())}
    return result


def _length(side: Side, method: str, settings: Settings) -> list[str]:
    """Say how long to train; Patchcore only looks at every image once."""
    if method == "patchcore":
        return []
    if side.name == settings.peer.name and settings.peer_epochs:
        return ["--epochs", str(settings.peer_epochs)]
    steps = settings.peer_steps if side.name == settings.peer.name else settings.steps
    return ["--steps", str(steps)] if steps else []


def _truth(data: Path, settings: Settings) -> Path:
    """Write labels and masks once, for either judge."""
    file = settings.out / f"truth-{data.name}.npz"
    if not file.is_file():
        settings.ours.run("truth.py", "--data", data, "--out", file)
    return file


def _cells(runs: list[Result]) -> list[str]:
    cells = [_spread([run[name] for run in runs]) if name in runs[0] else "-" for name in FIGURES]
    return [*cells, f"{runs[0]['steps']:.0f}", f"{statistics.median(run['seconds'] for run in runs):.0f}"]


def _spread(values: list[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"
