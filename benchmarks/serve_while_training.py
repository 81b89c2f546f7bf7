"""How long one image takes in a studio, from request to verdict, without and with a training beside.

    python benchmarks/serve_while_training.py ../shared/data/cookies

A product learns from `train/good` for half a minute; then a second training is paused and resumed in turn, and one
client sends test images one after the other, in each state for some seconds. Percentiles are of each state.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME, ROUNDS, SECONDS = "part", 5, 12.0


def main() -> None:
    """Measure, and print a line for each state and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="MVTec layout of one product")
    options = parser.parse_args()
    images = sorted((options.data / "train" / "good").iterdir())
    tests = cycle(sorted(options.data.glob("test/*/*")))
    with tempfile.TemporaryDirectory() as folder, studio(Path(folder)) as client:
        post(client, "/v1/products", {"name": NAME})
        for image in images:
            files = {"images": (image.name, image.read_bytes())}
            client.post(f"/v1/products/{NAME}/photos", files=files).raise_for_status()
        wait(client, post(client, f"/v1/products/{NAME}/jobs", {"minutes": 0.5})["id"], "done")
        job = post(client, f"/v1/products/{NAME}/jobs", {"minutes": 30})["id"]
        measured: dict[str, list[float]] = {"alone": [], "training": []}
        for number in range(2 * ROUNDS):
            state = ("training", "alone")[number % 2]
            ask(client, job, running=state == "training")
            measured[state] += score_for(client, tests)
        post(client, f"/v1/jobs/{job}/cancel", {})
    report(measured)


@contextmanager
def studio(folder: Path) -> Iterator[httpx.Client]:
    """Run a studio, and yield a client of it."""
    command = [sys.executable, "-m", "twinspect", "studio", str(folder), "--port", "0", "--rate-limit", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = next(line.split(" at ")[1].split()[0] for line in server.stderr if " at http://" in line)
        threading.Thread(target=server.stderr.read, daemon=True).start()
        with httpx.Client(base_url=address, timeout=600) as client:
            yield client
        server.terminate()


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    """Ask for something, and return the answer."""
    return client.post(path, json=body).raise_for_status().json()


def wait(client: httpx.Client, job: int, *states: str) -> None:
    """Wait until a job is in a state.

    Raises:
        RuntimeError: it failed.
    """
    while True:
        jobs = client.get(f"/v1/products/{NAME}/jobs").json()["jobs"]
        found = next(each for each in jobs if each["id"] == job)
        if found["state"] in states:
            return
        if found["state"] == "failed":
            raise RuntimeError(found["error"])
        time.sleep(0.2)


def ask(client: httpx.Client, job: int, *, running: bool) -> None:
    """Pause the training, or let it go on until it has its first steps behind it."""
    post(client, f"/v1/jobs/{job}/{'resume' if running else 'pause'}", {})
    wait(client, job, "running" if running else "paused")
    if running:
        time.sleep(10)  # it starts anew: Python and torch are imported first


def score_for(client: httpx.Client, images: Iterator[Path]) -> list[float]:
    """Send images one after the other for some seconds; returns how long each took, in milliseconds."""
    taken, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end:
        data = next(images).read_bytes()
        began = time.perf_counter()
        client.post(f"/v1/score?model={NAME}", files={"images": ("a.png", data)}).raise_for_status()
        taken.append(1000 * (time.perf_counter() - began))
    return taken[1:]


def report(measured: dict[str, list[float]]) -> None:
    """Print the percentiles of both states, and their ratio."""
    values = {state: np.percentile(taken, [50, 95]) for state, taken in measured.items()}
    for state, (median, high) in values.items():
        print(f"{state:9} {len(measured[state]):5} images, median {median:6.1f} ms, p95 {high:6.1f} ms")
    median, high = values["training"] / values["alone"]
    print(f"ratio     median {median:.2f}, p95 {high:.2f}")


if __name__ == "__main__":
    main()
