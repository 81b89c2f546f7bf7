"""A server that is killed at thirty random moments under uploads: nothing accepted is lost, nor its delivery."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")

import forked  # noqa: E402 - only where the extra is installed
from receivers import until, web_receiver  # noqa: E402
from serving import good  # noqa: E402
from twinspect.serve.store import Filter, Store  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes, which is POSIX"),
]

KILLS = 30
ADDRESS = re.compile(r" at (http://\S+) ")
SOON = "import twinspect.serve.store.outbox as outbox; outbox.CLAIM_SECONDS = 2.0"
"""An attempt that was cut off is made again after two seconds, not sixty."""


@contextmanager
def served(bundle: Path, folder: Path) -> Iterator[str]:
    """A server in a process that is killed in the end."""
    words = ["serve", bundle, "--port", 0, "--data", folder / "data", "--rate-limit", 0]
    said = folder / f"{time.monotonic_ns()}.txt"
    said.touch()
    process = forked.start(words, first=SOON, errors=said)
    try:
        yield until(lambda: ADDRESS.search(said.read_text()), 120)[1]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        forked.end(process)


def upload(address: str, accepted: dict[int, bytes], seeds: Iterator[int], stop: threading.Event) -> None:
    """Upload images until the server is gone; those that it accepted are noted."""
    with suppress(httpx.HTTPError):
        while not stop.is_set():
            data = good(next(seeds))
            files = [("images", ("part.png", data))]
            answer = httpx.post(f"{address}/v1/score?wait=false", files=files, timeout=30)
            if answer.status_code == 202:
                accepted[answer.json()["inspections"][0]["id"]] = data


def test_killed_at_thirty_random_moments_it_loses_nothing(bundle: Path, tmp_path: Path) -> None:
    chance, seeds = random.Random(0), iter(range(10**6))
    accepted: dict[int, bytes] = {}
    fails = random.Random(1)
    with web_receiver(lambda _: fails.choice((200, 200, 500, 0))) as received:
        for number in range(KILLS):
            with served(bundle, tmp_path) as address:
                if number == 0:
                    sink = {"target": {"kind": "webhook", "url": received.url}}
                    httpx.post(f"{address}/v1/models/parts/sinks", json=sink, timeout=30).raise_for_status()
                stop = threading.Event()
                arguments = (address, accepted, seeds, stop)
                clients = [threading.Thread(target=upload, args=arguments) for _ in range(2)]
                for client in clients:
                    client.start()
                time.sleep(chance.uniform(0, 2.5))
            stop.set()
            for client in clients:
                client.join(60)
        with served(bundle, tmp_path), Store(None, tmp_path / "data") as store:
            until(lambda: not waiting(store), 300)
            rows = store.search(Filter(), None, 1000).rows
            assert all(store.archive.read(row.image_sha256) for row in rows)
    done = {row.id for row in rows if row.state == "done"}
    arrived = Counter(json.loads(body)["inspection"] for _, body in received.taken)
    identities = {(headers["webhook-id"], json.loads(body)["inspection"]) for headers, body in received.taken}
    print(
        f"{KILLS} kills: {len(accepted)} accepted, {len(rows)} stored, {len(received.requests)} requests, "
        f"{len(received.taken)} taken, {sum(count > 1 for count in arrived.values())} taken more than once"
    )
    assert len(accepted) >= KILLS
    assert done == set(arrived) >= set(accepted)
    assert len(identities) == len(arrived)  # sent again, a result has the same id


def waiting(store: Store) -> int:
    """Count what is not scored, or not delivered."""
    with store.reading() as connection:
        queued = connection.exec_driver_sql(
            "select count(*) from inspections where state = 'queued'"
        ).scalar()
        unsent = connection.exec_driver_sql("select count(*) from deliveries where state != 'sent'").scalar()
    return (queued or 0) + (unsent or 0)
