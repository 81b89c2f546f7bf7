"""A server as a process: killed under load it loses nothing, told to stop it finishes first."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")

from serving import good  # noqa: E402 - only where the extra is installed
from twinspect.cli import main  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STARTS = 300
"""Seconds that a server may take to start on a slow machine."""

pytestmark = pytest.mark.slow


@contextmanager
def process(bundle: Path, data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [
        "-m",
        "twinspect",
        "serve",
        str(bundle),
        "--port",
        "0",
        "--data",
        str(data),
        "--rate-limit",
        "0",
    ]
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True) as server:
        try:
            yield server, _address(server)
        finally:
            server.kill()


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    for line in server.stderr:
        if line.startswith("twinspect: ") and " at http://" in line:
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return line.split(" at ")[1].split()[0]
    raise AssertionError("the server did not start")


def wait_until_done(address: str, seconds: float = 120) -> list[dict[str, Any]]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rows = httpx.get(f"{address}/v1/inspections?limit=200", timeout=60).json()["inspections"]
        if all(row["state"] == "done" for row in rows):
            return rows
        time.sleep(0.2)
    raise AssertionError([row["state"] for row in rows])


def test_killed_under_load_it_loses_nothing_that_it_accepted(bundle: Path, tmp_path: Path) -> None:
    accepted: list[int] = []

    def load(address: str, first: int) -> None:
        with suppress(httpx.HTTPError):
            for seed in range(first, first + 1000):
                files = [("images", (f"{seed}.png", good(seed)))]
                answer = httpx.post(f"{address}/v1/score?wait=false", files=files, timeout=60)
                if answer.status_code == 202:
                    accepted.append(answer.json()["inspections"][0]["id"])

    with process(bundle, tmp_path) as (server, address):
        clients = [threading.Thread(target=load, args=(address, 1000 * place)) for place in range(3)]
        for each in clients:
            each.start()
        while len(accepted) < 20:
            time.sleep(0.01)
        server.send_signal(signal.SIGKILL)
        for each in clients:
            each.join(60)
    with process(bundle, tmp_path) as (server, address):
        rows = wait_until_done(address)
    assert len(accepted) >= 20
    assert {row["id"] for row in rows} >= set(accepted)
    with sqlite3.connect(tmp_path / "store.db") as database:
        (images,) = database.execute("select count(*) from images").fetchone()
    assert images == len({row["image"]["sha256"] for row in rows})


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process can act on")
def test_told_to_stop_it_scores_what_it_accepted_and_ends_well(bundle: Path, tmp_path: Path) -> None:
    with process(bundle, tmp_path) as (server, address):
        files = [("images", (f"{seed}.png", good(seed))) for seed in range(24)]
        answer = httpx.post(f"{address}/v1/score?wait=false", files=files, timeout=60)
        assert answer.status_code == 202
        server.send_signal(signal.SIGTERM)
        assert server.wait(120) == 0
    with sqlite3.connect(tmp_path / "store.db") as database:
        states = database.execute("select state, count(*) from inspections group by state").fetchall()
    assert states == [("done", 24)]


@pytest.mark.parametrize(
    "option",
    ["--host 0.0.0.0", "--allow-host plant.local", "--trusted-proxy 127.0.0.1", "--root-path /inspect"],
)
def test_whoever_lets_others_connect_needs_tokens(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main(["serve", "M.twin", *option.split()]) == 2
    error = capsys.readouterr().err
    assert "--add-token NAME:admin" in error
    assert f"twinspect serve M.twin {option} --token-file tokens.txt" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("pixels", ["0", "-1", "200000001"])
def test_more_pixels_than_are_ever_decoded_are_refused_at_the_start(
    capsys: pytest.CaptureFixture[str], pixels: str
) -> None:
    assert main(["serve", "M.twin", "--max-pixels", pixels]) == 2
    assert "allowed are 1 to 200,000,000" in capsys.readouterr().err
