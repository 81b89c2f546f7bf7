r"""How long the command line takes to answer: `--help`, `import twinspect`, and one image scored from the prompt.

    python benchmarks/startup.py --model parts.twin --image part.png

Wall and processor time, medians of ten, in turns; beside them, in the same run, what importing torch alone costs.
Then which packages are imported when the image is opened.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from running.arguments import positive

FIRST_PIXEL = Path(__file__).parent / "running" / "first_pixel.py"
COMMANDS = {
    "twinspect --help": ["-m", "twinspect", "--help"],
    "import twinspect": ["-c", "import twinspect"],
    "bare interpreter": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
}


def seconds(arguments: list[str]) -> tuple[float, float]:
    """Time one fresh process, by the clock and by the processor."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{arguments} failed")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Time the commands in turns, so that a slow moment of the machine meets all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a model, with or without an export")
    parser.add_argument("--image", help="the image to score")
    parser.add_argument("--rounds", type=positive, default=10)
    options = parser.parse_args()
    if (options.model is None) != (options.image is None):
        parser.error("--model and --image belong together")
    scoring = _scoring(options.model, options.image) if options.model else {}
    commands = COMMANDS | {name: ["-m", "twinspect", *arguments] for name, arguments in scoring.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, arguments in commands.items():
            times[name].append(seconds(arguments))
    base = statistics.median(wall for wall, _ in times["bare interpreter"])
    for name, found in times.items():
        wall, processor = (statistics.median(kind) for kind in zip(*found, strict=True))
        print(
            f"{name:24s} {wall:6.3f} s, processor {processor:6.3f} s   {wall / base:5.1f} x the bare interpreter"
        )
    for name, arguments in scoring.items():
        command = [sys.executable, str(FIRST_PIXEL), options.image, *arguments]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        print(f"{name}: imported before the first pixel, with the number of modules: {found.stdout.decode()}")


def _scoring(model: str, image: str) -> dict[str, list[str]]:
    return {
        "score, by torch": ["score", model, image, "--runtime", "torch"],
        "score, by the fastest": ["score", model, image],
    }


if __name__ == "__main__":
    main()
