"""A studio whose server and trainer are killed at random moments: nothing accepted is lost, and training goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")

from serving import good  # noqa: E402 - only where the extra is installed
from twinspect.serve.products.child import ChildProcess  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS, STEPS = 34, 4000
STUB = Path(__file__).parents[1] / "helpers" / "stub_training.py"
START = """
import sys
from twinspect.cli import main
from twinspect.serve.products import child
child.COMMAND = (sys.executable, sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")]


@contextmanager
def studio(bundle: Path, data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    arguments = ["studio", str(data), "--model", str(bundle), "--port", "0", "--rate-limit", "0"]
    environment = {**os.environ, "STUB_MODEL": str(bundle), "STUB_STEPS": str(STEPS)}
    command = [sys.executable, "-c", START, str(STUB), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        try:
            address = next(
                line.split(" at ")[1].split()[0] for line in server.stderr if " at http://" in line
            )
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield server, address
        finally:
            server.kill()


class Load:
    """Uploads photos and images to inspect, and remembers what was accepted."""

    def __init__(self) -> None:
        self.photos: set[str] = set()
        self.inspections: set[int] = set()
        self._seed = 0

    def run(self, address: str) -> None:
        with suppress(httpx.HTTPError), httpx.Client(base_url=address, timeout=60) as client:
            while True:
                self._seed += 1
                files = [("images", (f"{self._seed}.png", good(self._seed)))]
                answer = client.post("/v1/products/tiles/photos", files=files)
                if answer.status_code == 200:
                    self.photos |= {photo["sha256"] for photo in answer.json()["photos"]}
                answer = client.post("/v1/score?model=parts&wait=false", files=files)
                if answer.status_code == 202:
                    self.inspections |= {row["id"] for row in answer.json()["inspections"]}


def process_of_job(data: Path) -> ChildProcess | None:
    with closing(sqlite3.connect(data / "store.db", timeout=60)) as connection:
        (record,) = connection.execute("select process from jobs where id = 1").fetchone()
    child: Any = json.loads(record).get("child") if record else None
    return ChildProcess.from_record(child)


def steps_done(data: Path) -> int:
    with suppress(FileNotFoundError, ValueError):
        return int((data / "products/tiles/versions/1.twin.checkpoint/steps").read_text())
    return 0


def test_killed_at_random_moments_it_loses_nothing_and_the_training_ends(
    bundle: Path, tmp_path: Path
) -> None:
    random_moment, load, steps = random.Random(28), Load(), [0]
    with studio(bundle, tmp_path) as (_, address):
        httpx.post(f"{address}/v1/products", json={"name": "tiles"}, timeout=60).raise_for_status()
        files = [("images", (f"first {number}.png", good(10**6 + number))) for number in range(5)]
        httpx.post(f"{address}/v1/products/tiles/photos", files=files, timeout=60).raise_for_status()
        body = {"minutes": 1}
        httpx.post(f"{address}/v1/products/tiles/jobs", json=body, timeout=60).raise_for_status()
        time.sleep(1)
    for number in range(KILLS):
        with studio(bundle, tmp_path) as (server, address):
            client = threading.Thread(target=load.run, args=(address,))
            client.start()
            time.sleep(random_moment.uniform(0, 1.5))
            trainer = process_of_job(tmp_path)
            if trainer and number % 2:
                trainer.kill()
                time.sleep(random_moment.uniform(0, 0.5))
            server.send_signal(signal.SIGKILL)
            client.join(60)
        steps.append(steps_done(tmp_path))
    with studio(bundle, tmp_path) as (_, address), httpx.Client(base_url=address, timeout=60) as client:
        end = time.monotonic() + 240
        while client.get("/v1/jobs").json()["jobs"]:
            assert time.monotonic() < end
            time.sleep(0.2)
        (job,) = client.get("/v1/products/tiles/jobs").json()["jobs"]
        assert (job["state"], job["error"]) == ("done", None)
        assert client.get("/v1/products/tiles").json()["active"] == 1
        photos, after = {}, ""
        while after is not None:
            page = client.get(f"/v1/products/tiles/photos?limit=500{after}").json()
            photos |= {photo["sha256"]: photo for photo in page["photos"]}
            after = f"&after={page['next']}" if page["next"] else None
        assert load.photos
        assert photos.keys() >= load.photos
        assert all(
            client.get(photos[sha256]["url"]).status_code == 200 for sha256 in sorted(load.photos)[::7]
        )
        states = {
            number: client.get(f"/v1/inspections/{number}").json()["state"] for number in load.inspections
        }
        assert load.inspections
        assert set(states.values()) == {"done"}
    # What a checkpoint held is never lost, and no two trainings ever wrote at once.
    made = [count for count in steps if count]  # none is kept once the training has ended
    assert made == sorted(made)
    assert len(made) > 5
    assert (tmp_path / "products/tiles/versions/steps-made").read_text() == str(STEPS)
