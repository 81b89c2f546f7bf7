"""Whether both sides' teachers say the same of the same image: if not, nothing else is comparable."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from beside.report import Report

if TYPE_CHECKING:
    from pathlib import Path

    from beside.settings import Settings

TOLERANCE = 1e-3
"""Largest difference, as a share of a level's largest value; the two read and resize by code of their own."""


def measure(settings: Settings) -> Report:
    """Compare the prepared image and the features of all levels of the first test image.

    Raises:
        SystemExit: they differ by more than the tolerance.
    """
    image = sorted(path for path in (settings.data[0] / "test" / "good").iterdir())[0]
    found = {}
    for side in (settings.ours, settings.peer):
        file = settings.out / f"features-{side.name}.safetensors"
        side.run("features.py", "--image", image, "--weights", settings.weights, "--out", file)
        found[side.name] = read(file)
    ours, peer = found.values()
    shares = {name: _difference(ours[name], peer[name]) for name in ours}
    if max(shares.values()) > TOLERANCE:
        raise SystemExit(f"the teachers differ: {shares}")
    listed = ", ".join(f"{name} {share:.1e}" for name, share in shares.items())
    return Report(notes=[f"largest difference of one image, as a share of the largest value: {listed}"])


def read(file: Path) -> dict[str, list[float]]:
    """Read float32 tensors without importing anything heavy: the format is a header in JSON and plain numbers."""
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name in sorted(header):
        start, stop = header[name]["data_offsets"]
        tensors[name] = list(struct.unpack(f"<{(stop - start) // 4}f", data[8 + length :][start:stop]))
    return tensors


def _difference(ours: list[float], peer: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(ours, peer, strict=True)) / max(map(abs, peer))
