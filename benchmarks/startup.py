"""How long the command line takes to answer: wall time of `--help` and of `import twinspect`, median of 10.

Beside them, in the same run, what importing torch alone would cost.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "twinspect --help": ["-m", "twinspect", "--help"],
    "import twinspect": ["-c", "import twinspect"],
    "bare interpreter": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
}


def seconds(arguments: list[str]) -> float:
    """Time one fresh process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Time the commands in turns, so that a slow moment of the machine meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(10):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    base = statistics.median(times["bare interpreter"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:18s} {median:6.3f} s   {median / base:5.1f} x the bare interpreter")


if __name__ == "__main__":
    main()
