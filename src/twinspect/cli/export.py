"""`twinspect export`: a graph for another runtime, checked against the model."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING, Any

from twinspect.cli.outcome import Outcome
from twinspect.errors import ConfigError
from twinspect.export import export
from twinspect.utils.progress import announce

if TYPE_CHECKING:
    import argparse

    from twinspect.bundle.exports import Export


def run(options: argparse.Namespace) -> Outcome:
    """Export a model, and say how close its results are to the model's."""
    exported = export(
        options.model,
        options.to,
        precision=options.precision,
        fixed_size=_size(options.fixed_size) if options.fixed_size else None,
        check=options.check,
        good=options.good,
        labelled=options.labelled,
        max_drop=options.max_drop,
        say=announce,
    )
    record = {"export": exported.name, "folder": str(exported.folder), **exported.record}
    return Outcome(_text(options.model, exported), record)


def _size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``; return height and width."""
    sides = re.fullmatch(r"(\d+)x(\d+)", text)
    if sides is None:
        raise ConfigError(f"--fixed-size {text!r}; allowed: WIDTHxHEIGHT in pixels, for instance 640x480")
    return int(sides[2]), int(sides[1])


def _text(model: str, exported: Export) -> str:
    parity = exported.record["parity"]
    rank = parity["rank_agreement"]
    lines = [
        f"{exported.folder}: {sum(file['bytes'] for file in exported.record['files']) / 2**20:.1f} MiB",
        f"on {parity['images']} images ({', '.join(parity['sizes'])}) against the model: scores differ by at most "
        f"{_difference(parity, 'score')}, maps by {_difference(parity, 'map')}"
        + _allowed(parity["tolerance"])
        + (f"; rank agreement {rank:.4f}" if rank is not None else ""),
        _speed(exported.record["speed"]),
        *(_int8(exported.record["gate"]) if "gate" in exported.record else ()),
        *exported.record["notes"],
        how_to_score(model, exported),
    ]
    return "\n".join(lines)


def how_to_score(model: str, exported: Export) -> str:
    """Name the command that scores with it; int8 is recommended only where it was measured to be faster."""
    times = exported.record.get("gate", {}).get("milliseconds")
    if times is None or times["int8"] < times["fp32"]:
        return f"score with it: twinspect score {model} IMAGES --runtime {exported.name}"
    remedy = f"twinspect export {model} --to {exported.runtime}"
    return f"int8 is not faster than fp32 on this machine ({platform.machine()}): rather use fp32, with: {remedy}"


def _difference(parity: dict[str, Any], what: str) -> str:
    return f"{parity[f'{what}_relative']:.1e} relative ({parity[f'{what}_absolute']:.1e})"


def _speed(speed: dict[str, Any]) -> str:
    return (
        f"one image of {speed['image']}, without reading: {speed['milliseconds']:.1f} ms; by torch, in turns: "
        f"{speed['torch_milliseconds']:.1f} ms"
    )


def _allowed(tolerance: float | None) -> str:
    return "" if tolerance is None else f"; allowed {tolerance:g}"


def _int8(acceptance: dict[str, Any]) -> list[str]:
    """Say what int8 costs and gains."""
    size, times, kept = acceptance["bytes"], acceptance["milliseconds"], acceptance["kept_in_fp32"]
    milliseconds = f"{times['fp32']:.1f} -> {times['int8']:.1f} ms (torch {times['torch']:.1f} ms), in turns"
    metrics = [
        f"{name} {value['fp32']:.4f} -> {value['int8']:.4f}" for name, value in acceptance["metrics"].items()
    ]
    return [
        f"fp32 -> int8 on {acceptance['images']} images: {', '.join([*metrics, *_ranks(acceptance)])}",
        f"fp32 -> int8: {size['fp32'] / 2**20:.1f} -> {size['int8'] / 2**20:.1f} MiB, {milliseconds}",
        f"layers in int8: {acceptance['layers'] - len(kept)} of {acceptance['layers']}"
        + (f"; put back into fp32: {', '.join(kept)}" if kept else ""),
    ]


def _ranks(acceptance: dict[str, Any]) -> list[str]:
    rhos = {"scores": acceptance["score_rho"], "pixels": acceptance["pixel_rho"]}
    ranks = [f"rank correlation of {name} {rho:.4f}" for name, rho in rhos.items() if rho is not None]
    return [*ranks, f"{acceptance['other_decisions']} images decided differently"]
