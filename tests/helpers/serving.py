"""A server of one small model, in this process, for tests."""

from __future__ import annotations

import io
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from starlette.testclient import TestClient

from drawn_parts import blemish, stripes
from twinspect.serve.server import RunningServer, Server, running_server
from twinspect.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from starlette.types import ASGIApp

    from twinspect.serve.http.context import Context


@dataclass
class Site:
    """A running server and a client of it."""

    app: ASGIApp
    client: TestClient
    context: Context

    def score(self, *images: bytes, **query: Any) -> Any:
        files = [("images", (f"{number}.png", data)) for number, data in enumerate(images)]
        return self.client.post("/v1/score", files=files, params=query)

    def scored(self, *images: bytes, **query: Any) -> list[dict[str, Any]]:
        answer = self.score(*images, **query)
        assert answer.status_code == 200, answer.text
        inspections: list[dict[str, Any]] = answer.json()["inspections"]
        return inspections

    @property
    def worker(self) -> Any:
        return next(iter(self.context.registry))


@contextmanager
def site(model: Path, folder: Path, **changes: Any) -> Iterator[Site]:
    defaults: dict[str, Any] = {
        "models": (str(model),),
        "data": folder,
        "runtime": "torch",
        "rate_limit": 0.0,
    }
    with ExitStack() as stack:
        parts = stack.enter_context(running_server(Settings(**{**defaults, **changes})))
        # As uvicorn does, errors end in an answer and not in the client's face. Entered, the client has one event
        # loop for all of a test's threads, as a server has.
        client = TestClient(parts.app, "http://127.0.0.1:8000", raise_server_exceptions=False)
        yield Site(parts.app, stack.enter_context(client), parts.context)


def png(values: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def good(seed: int) -> bytes:
    return png(stripes(seed))


def bad(seed: int) -> bytes:
    return png(blemish(stripes(seed)))


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@contextmanager
def listening(server: Site, seconds: float = 60, **changes: Any) -> Iterator[str]:
    """Serve over the network as well, on a free port, and yield the URL."""
    network = Server(
        Settings(models=("any",), data=Path(), port=0, **changes), RunningServer(server.context, server.app)
    )
    thread = threading.Thread(target=network.run, daemon=True)
    thread.start()
    end = time.monotonic() + seconds
    while not network.started:
        assert thread.is_alive()
        assert time.monotonic() < end
        time.sleep(0.01)
    yield network.address
    network.should_exit = True
    thread.join(seconds)
