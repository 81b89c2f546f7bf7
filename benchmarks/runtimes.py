r"""What runtimes take for the same model: the peer's torch, ours, ONNX Runtime and OpenVINO, in turns, in one run.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install anomalib
    python benchmarks/runtimes.py --peer /tmp/peer/bin/python --out runs/runtimes.json

Random weights: only time is measured, of images of 256 px that were read already, to score and map. int8 is quantised
on images of noise, and past the gate that `twinspect export` has: it is as fast as int8 can be here, and an export
that keeps some layers in fp32 for the sake of accuracy is slower. The peer has no AAND: beside it stands its RD.

A time is the median of rounds in which all have their turns; a ratio says how often a base takes as long, as the
median of the ratios within rounds. Shares are of a large matrix product's multiply-adds a second, on the same threads
and in the same kind of numbers; of int8, all multiply-adds of the model count, though some are in fp32.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from beside.sides import Side
from both.pictures import pictures
from running import peaks
from running.arguments import in_one_line, positive
from running.machine import described, has_bf16
from running.models import COLUMNS, OPENVINO_FP32, ours
from running.tables import PEER, Result, head, shares_row, times_row
from running.turns import in_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from beside.answering import Answering

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Print the machine and its peaks, then both tables."""
    options = _options()
    torch.set_num_threads(options.threads)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.touch()  # what cannot be written is known before minutes of work
    found = {"machine": described(), "threads": options.threads}
    print(f"{found['machine']}; {options.threads} threads")
    measured = peaks.peaks(options.threads, bf16=has_bf16(), side=options.peak_side)
    for kind, peak in measured.items():
        print(f"peak of {kind}: {peak.rate / 1e9:.1f} x 10^9 multiply-adds a second, by {peak.by}")
    print(f"\nmilliseconds an image (times faster than {PEER}, than {OPENVINO_FP32})")
    print(head(PEER, *COLUMNS), flush=True)
    results = []
    for result in _results(options):
        print(times_row(result), flush=True)
        results.append(result)
    print("\n10^9 multiply-adds: of an image, then a second (share of the peak)")
    print("\n".join([head("an image", *COLUMNS), *(shares_row(each, measured) for each in results)]))
    found |= {"peaks": {kind: asdict(peak) for kind, peak in measured.items()}}
    options.out.write_text(json.dumps({**found, "results": [asdict(each) for each in results]}, indent=1))


def _results(options: argparse.Namespace) -> Iterator[Result]:
    with _peer(options) as peer:
        for method in options.methods:
            for teacher in options.teachers:
                yield from _of_model(method, teacher, peer, options)
                gc.collect()


def _of_model(
    method: str, teacher: str, peer: Answering | None, options: argparse.Namespace
) -> Iterator[Result]:
    model = ours(
        method,
        teacher,
        threads=options.threads,
        bf16=has_bf16(),
        fixed=options.fixed_size,
        torch_only=options.torch_only,
        clock=time.process_time if options.processor_time else time.perf_counter,
    )
    print(*model.notes, sep="\n", file=sys.stderr, flush=True)
    theirs = {PEER: partial(_asked, peer, teacher)} if peer else {}
    for batch in options.batches:
        seconds = in_turns({**theirs, **model.calls}, pictures(batch), options.rounds)
        yield Result(method, teacher, batch, model.multiplications, seconds)


def _peer(options: argparse.Namespace) -> contextlib.AbstractContextManager[Answering | None]:
    """Start the peer's module in its own environment, if there is one."""
    if options.peer is None:
        print("anomalib is left out; name an interpreter that has it: --peer PYTHON", file=sys.stderr)
        return contextlib.nullcontext()
    return Side("anomalib", options.peer.absolute(), HERE / "peer", None).stay(
        "eager.py",
        "--threads",
        options.threads,
        *(["--processor-time"] if options.processor_time else []),
    )


def _asked(peer: Answering, teacher: str, images: NDArray) -> float:
    return float(peer.ask(teacher, len(images))["seconds"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peer", type=Path, help="python of an environment with anomalib; left out if not given")
    add("--methods", nargs="+", default=["rd", "aand"])
    add("--teachers", nargs="+", default=["resnet18", "wide_resnet50_2"])
    add("--batches", nargs="+", type=positive, default=[1, 8])
    add("--rounds", type=positive, default=10)
    add("--threads", type=positive, default=len(os.sched_getaffinity(0)), help="that each may use; all cores")
    add("--fixed-size", action="store_true", help="graphs of one size; batches of 1 alone")
    add("--torch-only", action="store_true", help="leave exports out")
    add(
        "--processor-time", action="store_true", help="count that, for a machine with other work; --threads 1"
    )
    add("--peak-side", type=positive, default=peaks.SIDE, help="of the matrices that peaks are measured by")
    add("--out", type=Path, default=Path("runs/runtimes.json"), help="every round's seconds")
    options = parser.parse_args()
    if options.fixed_size:
        options.batches = [1]
    return options


if __name__ == "__main__":
    in_one_line(main)
