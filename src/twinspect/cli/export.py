"""`twinspect export`: a graph for another runtime, checked against the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from twinspect.cli.console import warn
from twinspect.cli.outcome import Outcome
from twinspect.errors import ConfigError
from twinspect.export import export

if TYPE_CHECKING:
    import argparse

    from twinspect.runtime.exports import Export


def run(options: argparse.Namespace) -> Outcome:
    """Export a model and say how far the export is from it."""
    made = export(
        options.model,
        options.to,
        precision=options.precision,
        fixed_size=_size(options.fixed_size) if options.fixed_size else None,
        check=options.check,
        say=warn,
    )
    record = {"export": made.name, "folder": str(made.folder), **made.record}
    return Outcome(_told(options.model, made), record)


def _size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``, and give height and width."""
    sides = re.fullmatch(r"(\d+)x(\d+)", text)
    if sides is None:
        raise ConfigError(f"--fixed-size {text!r}; allowed: WIDTHxHEIGHT in pixels, for instance 640x480")
    return int(sides[2]), int(sides[1])


def _told(model: str, made: Export) -> str:
    parity = made.record["parity"]
    rank = parity["rank_agreement"]
    lines = [
        f"{made.folder}: {sum(each['bytes'] for each in made.record['files']) / 2**20:.1f} MiB",
        f"on {parity['images']} images ({', '.join(parity['sizes'])}) against the model: scores differ by at most "
        f"{_apart(parity, 'score')}, maps by {_apart(parity, 'map')}; allowed {parity['tolerance']:g}"
        + (f"; rank agreement {rank:.4f}" if rank is not None else ""),
        _speed(made.record["speed"]),
        *made.record["notes"],
        f"score with it: twinspect score {model} IMAGES --runtime {made.name}",
    ]
    return "\n".join(lines)


def _apart(parity: dict[str, Any], what: str) -> str:
    return f"{parity[f'{what}_relative']:.1e} relative ({parity[f'{what}_absolute']:.1e})"


def _speed(speed: dict[str, Any]) -> str:
    return (
        f"one image of {speed['image']}, read already: {speed['milliseconds']:.1f} ms; by torch, in turns: "
        f"{speed['torch_milliseconds']:.1f} ms"
    )
