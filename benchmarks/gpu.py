r"""What a CUDA device does in eight minutes: its tests, then training and scoring, beside anomalib where it is there.

    python benchmarks/gpu.py --out runs/gpu.jsonl
    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install anomalib
    python benchmarks/gpu.py --peer /tmp/peer/bin/python
    python benchmarks/gpu.py --dry-run

Random weights and images of noise: only time is measured, and what half precision changes. Training is that of
`twinspect fit` with steps of 16 images that were read before, from the fourth step on. Scoring begins with prepared
images on the CPU and ends with scores and maps there; the peer's begins with pixels, so that beside it stands ours
with the preparing. TensorRT is measured where it is installed (pip install onnxruntime-gpu tensorrt); its engines are
built for 8 images, and 32 are four calls. Each figure is printed as a line of JSON once it is there, and all of them
as a table in the end; what does not fit into the time is left out, and says so. --dry-run goes the same way on the
CPU with tiny networks; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from beside.sides import Side
from running import on_device
from running.arguments import in_one_line, positive
from running.on_device import Networks
from twinspect.utils.devices import choose_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
SECONDS = 480.0
"""Of the whole."""
WIDE, VIT = "wide_resnet50_2", "vit_base_patch14_reg4_dinov2.lvd142m"
TESTS = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu"]
TRAINED = 12.0
"""Seconds that a training may take."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        device: that computes.
        models: what is trained and scored; the first one stands beside the peer and under TensorRT.
        precisions: of the training.
        halves: precisions to score in beside fp32.
        steps: of every stage.
        batch: images of a step.
        batches: images scored at once.
        rounds: calls that are timed.
    """

    device: str
    models: tuple[Networks, ...]
    precisions: tuple[str, ...]
    halves: tuple[str, ...]
    steps: int
    batch: int
    batches: tuple[int, ...]
    rounds: int


ON_GPU = Scale(
    device="cuda",
    models=(Networks("rd", WIDE, 256), Networks("aand", WIDE, 256), Networks("dual", VIT, 224)),
    precisions=("bf16", "fp16", "fp32"),
    halves=("bf16", "fp16"),
    steps=40,
    batch=16,
    batches=(1, 32),
    rounds=30,
)
DRY = Scale(
    device="cpu",
    models=(
        Networks("rd", "test_byobnet", 64),
        Networks("aand", "test_byobnet", 64),
        Networks("dual", "test_vit", 160),
    ),
    precisions=("fp32",),
    halves=("bf16",),  # a CPU takes seconds for a convolution in fp16
    steps=on_device.WARM_UP + 1,
    batch=2,
    batches=(1, 2),
    rounds=1,
)


class Item(NamedTuple):
    """Something to measure.

    Attributes:
        name: what is printed.
        seconds: that it may take; it is left out where less is left.
        measure: gives its rows.
    """

    name: str
    seconds: float
    measure: Callable[[], Iterator[Row]]


@dataclass
class Results:
    """What was measured so far, printed and kept line by line.

    Attributes:
        out: takes a line of JSON for each row; ``None`` for none.
        rows: all of them.
    """

    out: Path | None
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Print and keep a row."""
        self.rows.append(row)
        line = json.dumps(row)
        print(line, flush=True)
        if self.out:
            with self.out.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")

    def table(self) -> str:
        """Give all rows as Markdown."""
        rows = [f"| {row['item']} | {row['of']} | {row['found']} |" for row in self.rows]
        return "\n".join(["| item | of | found |", "|---|---|---|", *rows])


def main(arguments: list[str] | None = None) -> int:
    """Measure item by item, and print the table; 1 where a test or an item failed."""
    options = _options(arguments)
    scale = DRY if options.dry_run else ON_GPU
    if scale.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device here; --dry-run shows on the CPU what would be measured")
    choose_device(scale.device)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("")
    results, end = Results(options.out), time.monotonic() + options.seconds
    results.add({"item": "machine", "of": "", "found": machine(scale.device)})
    failed = [item.name for item in items(scale, options.peer) if not run(item, end, results)]
    print(results.table())
    return int(bool(failed))


def run(item: Item, end: float, results: Results) -> bool:
    """Measure an item if there is time for it; an error is a row, and the next item follows."""
    left = end - time.monotonic()
    if left < item.seconds:
        results.add({"item": item.name, "of": "", "found": f"left out: {left:.0f} s are left"})
        return True
    began = time.monotonic()
    try:
        for row in item.measure():
            results.add({"item": item.name, **row, "after": round(time.monotonic() - began, 1)})
    except Exception as error:  # noqa: BLE001 - the others are worth measuring
        results.add({"item": item.name, "of": "", "found": f"failed: {type(error).__name__}: {error}"[:500]})
        return False
    return True


def items(scale: Scale, peer: Path | None) -> Iterator[Item]:
    """List what is measured, the most important first."""
    yield Item("tests", 150, partial(tests, 150))
    for networks in scale.models:
        yield Item("training", 45, partial(training, scale, networks))
        yield Item("scoring", 20, partial(scoring, scale, networks))
        for half in scale.halves:
            yield Item(f"{half} against fp32", 10, partial(rounding, scale, networks, half))
    if peer:
        yield Item("scoring", 30, partial(beside, scale, peer))
    for runtime, precision in (("onnx", "fp32"), ("tensorrt", "fp32"), ("tensorrt", "fp16")):
        yield Item("scoring", 60, partial(export, scale, runtime, precision))


def tests(seconds: float) -> Iterator[Row]:
    """Run the tests that need a GPU."""
    done = subprocess.run(
        TESTS, cwd=HERE.parent, capture_output=True, text=True, timeout=seconds, check=False
    )
    lines = done.stdout.strip().splitlines()
    yield {"of": "pytest -m gpu", "found": lines[-1] if lines else done.stderr[-300:]}
    failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    if done.returncode:
        raise RuntimeError("; ".join(failures) or f"pytest ended with {done.returncode}")


def training(scale: Scale, networks: Networks) -> Iterator[Row]:
    """Give images a second of every stage, in every precision."""
    for precision in scale.precisions:
        rates = on_device.training(networks, scale.device, precision, scale.steps, scale.batch, TRAINED)
        for stage, rate in rates.items():
            yield {
                "of": f"{networks.named}, {stage}, {precision}",
                "found": f"{rate:.1f} images/s",
                "rate": rate,
            }


def scoring(scale: Scale, networks: Networks) -> Iterator[Row]:
    """Give milliseconds of a batch, of all ways that torch scores."""
    for count in scale.batches:
        for name, call in on_device.scoring(networks, scale.device, count, scale.halves).items():
            yield timed(networks, count, name, on_device.milliseconds(call, scale.rounds))


def export(scale: Scale, runtime: str, precision: str) -> Iterator[Row]:
    """Give milliseconds of a batch under another runtime."""
    networks, name = scale.models[0], f"{runtime} {precision}"
    if reason := on_device.missing(runtime):
        yield {"of": name, "found": f"left out: {reason}"}
        return
    engine = on_device.exported(networks, runtime, precision, scale.device)
    for count in scale.batches:
        prepared = [engine.prepare(image) for image in on_device.noise(count, networks.size)]
        call = partial(engine.score, prepared, maps=True)
        yield timed(networks, count, name, on_device.milliseconds(call, scale.rounds))


def rounding(scale: Scale, networks: Networks, half: str) -> Iterator[Row]:
    """Say how far scores and maps in half precision are from those in fp32."""
    found = on_device.differences(networks, scale.device, max(scale.batches), half)
    text = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
    yield {"of": networks.named, "found": f"relative differences: {text}", **found}


def beside(scale: Scale, python: Path) -> Iterator[Row]:
    """Give milliseconds of a batch of the peer's networks of the same kind."""
    networks = scale.models[0]
    peer = Side("anomalib", python.absolute(), HERE / "peer", None)
    with peer.stay("eager.py", "--threads", torch.get_num_threads(), "--device", scale.device) as asked:
        for count in scale.batches:
            times = [
                1e3 * asked.ask(networks.teacher, count)["seconds"]
                for _ in range(on_device.WARM_UP + scale.rounds)
            ]
            yield timed(networks, count, "anomalib", times[on_device.WARM_UP :])


def timed(networks: Networks, count: int, name: str, times: list[float]) -> Row:
    """Say the median of times, and the least and the most."""
    median = statistics.median(times)
    found = f"{median:.2f} ms ({min(times):.2f} to {max(times):.2f})"
    return {"of": f"{networks.named}, batch {count}, {name}", "found": found, "milliseconds": median}


def machine(device: str) -> str:
    """Name what computes."""
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU, a dry run"
    return f"{name}; torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}"


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peer", type=Path, help="python of an environment with anomalib; left out if not given")
    add("--out", type=Path, help="takes the lines of JSON")
    add("--seconds", type=positive, default=SECONDS, help="that all may take")
    add("--dry-run", action="store_true", help="tiny, on the CPU")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    in_one_line(lambda: sys.exit(main()))
