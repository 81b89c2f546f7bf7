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

    from twinspect.bundle.exports import Export


def run(options: argparse.Namespace) -> Outcome:
    """Export a model and say how far the export is from it."""
    made = export(
        options.model,
        options.to,
        precision=options.precision,
        fixed_size=_size(options.fixed_size) if options.fixed_size else None,
        check=options.check,
        good=options.good,
        labelled=options.labelled,
        max_drop=options.max_drop,
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
        f"{_apart(parity, 'score')}, maps by {_apart(parity, 'map')}"
        + _allowed(parity["tolerance"])
        + (f"; rank agreement {rank:.4f}" if rank is not None else ""),
        _speed(made.record["speed"]),
        *(_trade(made.record["gate"]) if "gate" in made.record else ()),
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


def _allowed(tolerance: float | None) -> str:
    return "" if tolerance is None else f"; allowed {tolerance:g}"


def _trade(gate: dict[str, Any]) -> list[str]:
    """Say what integers cost and what they bring."""
    size, times, kept = gate["bytes"], gate["milliseconds"], gate["kept_in_fp32"]
    milliseconds = f"{times['fp32']:.1f} -> {times['int8']:.1f} ms (torch {times['torch']:.1f} ms), in turns"
    metrics = [f"{name} {each['fp32']:.4f} -> {each['int8']:.4f}" for name, each in gate["metrics"].items()]
    return [
        f"fp32 -> int8 on {gate['images']} images: {', '.join([*metrics, *_ranks(gate)])}",
        f"fp32 -> int8: {size['fp32'] / 2**20:.1f} -> {size['int8'] / 2**20:.1f} MiB, {milliseconds}",
        f"layers in int8: {gate['layers'] - len(kept)} of {gate['layers']}"
        + (f"; put back into fp32: {', '.join(kept)}" if kept else ""),
    ]


def _ranks(gate: dict[str, Any]) -> list[str]:
    rhos = {"scores": gate["score_rho"], "pixels": gate["pixel_rho"]}
    told = [f"rank correlation of {name} {rho:.4f}" for name, rho in rhos.items() if rho is not None]
    return [*told, f"{gate['other_decisions']} decided otherwise"]
