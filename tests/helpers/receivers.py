"""Receivers of results on the loopback interface: a web server that fails as told, and a real MQTT broker."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from stub_server import QuietHandler, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Received:
    """Requests in the order in which they came, those that were refused included."""

    url: str = ""
    requests: list[tuple[dict[str, str], bytes, int]] = field(default_factory=list)

    @property
    def taken(self) -> list[tuple[dict[str, str], bytes]]:
        return [(headers, body) for headers, body, status in self.requests if status == 200]


@contextmanager
def web_receiver(
    status: Callable[[int], int] = lambda _: 200, tls: tuple[Path, Path] | None = None
) -> Iterator[Received]:
    """Answer the n-th request with a status; 0 breaks the connection off."""
    received = Received()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = status(len(received.requests))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received.requests.append((headers, body, answer))
            if answer:
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

    with serving(Handler, tls) as received.url:
        yield received


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return value


def mosquitto() -> str:
    """The broker's program; the test is skipped where there is none."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no MQTT broker: on Debian, apt install mosquitto")
    return program


@contextmanager
def broker(folder: Path, *lines: str, port: int | None = None) -> Iterator[int]:
    """Run mosquitto with a configuration; yields its port."""
    port = port or free_port()
    config = folder / "mosquitto.conf"
    config.write_text("\n".join([f"listener {port} 127.0.0.1", *lines, ""]))
    with subprocess.Popen([mosquitto(), "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: _listens(port))
            yield port
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
