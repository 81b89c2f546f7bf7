r"""What a client of `twinspect serve` waits, and how many images a second it may send: wrk against a real server.

    apt-get install wrk
    python benchmarks/serving.py --model parts.twin --image part.png --seconds 20

Everything runs on this machine, over loopback, so client and server share its cores. *Bare* is
`ts.load(model, runtime="auto").score(image)` without a server; the server besides keeps the image, writes its row
durably and answers with the verdict. Each row is so many clients that send their next image as soon as the last is
answered. The last line says the highest rate at which 95 of 100 images are answered within twice the time of one
client alone.

With `--hostile`, four clients send images alone and beside those of `hostile_clients.py`, in turns. The last line
says how many times as long 95 of 100 images then take.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

import twinspect as ts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENTS = (1, 2, 4, 8, 16)
GOOD_CLIENTS = 4
TURNS = 3
PORT = 8431
SCRIPT = Path(__file__).with_suffix(".lua")
HOSTILE = Path(__file__).with_name("hostile_clients.py")


@dataclass(frozen=True)
class Found:
    """What wrk measured with so many clients; latencies in milliseconds."""

    clients: int
    images: float
    seconds: float
    errors: float
    p50: float
    p95: float
    p99: float

    @property
    def rate(self) -> float:
        """Images a second that were answered as they should be."""
        return (self.images - self.errors) / self.seconds


def main() -> None:
    """Print a row for each number of clients."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True, help="what is sent")
    parser.add_argument("--seconds", type=int, default=20, help="for each number of clients")
    parser.add_argument("--hostile", action="store_true", help="measure beside clients that hold it up")
    options = parser.parse_args()
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("wrk is not installed; type: apt-get install wrk")
    print(f"bare: {bare(options.model, options.image):.1f} ms an image")
    with tempfile.TemporaryDirectory() as folder, server(options.model, Path(folder)) as address:
        load(wrk, address, options.image, clients=1, seconds=3)
        if options.hostile:
            compare(lambda: load(wrk, address, options.image, GOOD_CLIENTS, options.seconds))
        else:
            report([load(wrk, address, options.image, clients, options.seconds) for clients in CLIENTS])


def compare(measure: Callable[[], Found]) -> None:
    """Measure alone and beside hostile clients, in turns, since other programs may slow the machine down."""
    alone, beside = [], []
    print(
        "| beside hostile clients | images/s | p50 ms | p95 ms | p99 ms | errors |\n|---|---|---|---|---|---|"
    )
    for _ in range(TURNS):
        alone.append(measure())
        print(row_of("no", alone[-1]), flush=True)
        with hostile_clients():
            beside.append(measure())
        print(row_of("yes", beside[-1]), flush=True)
    ratios = [one.p95 / other.p95 for one, other in zip(beside, alone, strict=True)]
    print(
        f"p95 beside hostile clients: {statistics.median(ratios):.2f} times that without, median of {TURNS}"
    )


@contextmanager
def hostile_clients() -> Iterator[None]:
    """Hold the server up from another process."""
    process = subprocess.Popen([sys.executable, str(HOSTILE), "127.0.0.1", str(PORT)])
    try:
        time.sleep(3)  # until all are connected
        yield
    finally:
        process.terminate()
        process.wait()


def bare(model: Path, image: Path) -> float:
    """Time the same image without a server, in milliseconds, median of ten."""
    judge = ts.load(model, runtime="auto")
    times = []
    for turn in range(11):
        began = time.perf_counter()
        judge.score(image)
        times += [time.perf_counter() - began] if turn else []
    return 1e3 * statistics.median(times)


@contextmanager
def server(model: Path, data: Path) -> Iterator[str]:
    """Serve a model, with nothing that holds its clients back."""
    address = f"http://127.0.0.1:{PORT}"
    command = [
        sys.executable,
        "-m",
        "twinspect",
        "serve",
        str(model),
        "--port",
        str(PORT),
        "--data",
        str(data),
    ]
    process = subprocess.Popen([*command, "--rate-limit", "0"], stderr=subprocess.DEVNULL)
    try:
        wait_for(f"{address}/readyz")
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str, seconds: float = 120) -> None:
    """Ask until there is an answer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(address):
            return
        time.sleep(0.2)
    sys.exit(f"{address} did not answer within {seconds:g} s")


def load(wrk: str, address: str, image: Path, clients: int, seconds: int) -> Found:
    """Let clients send the image for so many seconds."""
    command = [wrk, "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s", "-s", str(SCRIPT)]
    made = subprocess.run(
        [*command, f"{address}/v1/score"],
        env={
            **os.environ,
            "TWINSPECT_IMAGE": str(image),
            "TWINSPECT_TYPE": guess_type(image.name)[0] or "image/png",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in made.stdout.splitlines() if line.startswith("found "))
    return Found(clients, *map(float, line.split()[1:]))


def report(rows: list[Found]) -> None:
    """Print the table, and what is held."""
    print("| clients | images/s | p50 ms | p95 ms | p99 ms | errors |\n|---|---|---|---|---|---|")
    for row in rows:
        print(row_of(str(row.clients), row))
    alone = rows[0].p50
    held = max((row for row in rows if row.p95 < 2 * alone), key=lambda row: row.rate, default=None)
    if held is None:
        print(f"one client alone: {alone:.0f} ms; no rate keeps 95 % below twice that")
        return
    print(f"one client alone: {alone:.0f} ms; below twice that at p95: {held.rate:.1f} images/s")


def row_of(first: str, found: Found) -> str:
    """Format a row of a table."""
    return f"| {first} | {found.rate:.1f} | {found.p50:.0f} | {found.p95:.0f} | {found.p99:.0f} | {found.errors:g} |"


if __name__ == "__main__":
    main()
