"""A server that listens before its models are loaded: it says so, answers that it is not ready, and then is."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")

from serving import site  # noqa: E402 - only where the extra is installed
from twinspect.errors import BundleError  # noqa: E402
from twinspect.serve import server as serving_module  # noqa: E402
from twinspect.serve.server import RunningServer, Server  # noqa: E402
from twinspect.serve.settings import Settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Start:
    """A server whose models are loaded when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.result: BaseException | None = None
        self.server = Server(Settings(models=("parts.twin",), data=folder, port=0))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started or not self.thread.is_alive())

    def _run(self) -> None:
        try:
            self.server.serve_until_stopped()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.result = error

    def get(self, path: str) -> Any:
        return httpx.get(self.server.address + path, timeout=30)

    def stop(self) -> None:
        self.server.handle_exit(2, None)
        self.thread.join(30)
        assert not self.thread.is_alive()


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_listens_before_it_is_ready(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    may_load, is_closed = threading.Event(), threading.Event()
    with site(bundle, tmp_path) as real:

        @contextmanager
        def slowly(_: Settings) -> Iterator[RunningServer]:
            may_load.wait(60)
            yield RunningServer(real.context, real.app)
            is_closed.set()

        monkeypatch.setattr(serving_module, "running_server", slowly)
        start = Start(tmp_path)
        assert "; loading parts.twin" in capsys.readouterr().err
        assert start.get("/healthz").json() == {"status": "ok"}
        for path in ("/readyz", "/v1/models"):
            answer = start.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "starting")
            assert answer.headers["retry-after"] == "2"
        page = start.get("/")
        assert (page.status_code, page.headers["refresh"]) == (503, "2")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        may_load.set()
        wait_for(lambda: start.get("/readyz").status_code == 200)
        assert [model["name"] for model in start.get("/v1/models").json()["models"]] == ["parts"]
        wait_for(lambda: "parts at http://" in capsys.readouterr().err)
        start.stop()
        assert (start.result, is_closed.is_set()) == (None, True)


def test_a_model_that_cannot_be_loaded_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def never(_: Settings) -> Iterator[RunningServer]:
        raise BundleError("no model there")
        yield

    monkeypatch.setattr(serving_module, "running_server", never)
    start = Start(tmp_path)
    start.thread.join(30)
    assert isinstance(start.result, BundleError)


def test_it_can_be_interrupted_while_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_load = threading.Event()

    @contextmanager
    def slowly(_: Settings) -> Iterator[RunningServer]:
        may_load.wait(60)
        raise BundleError("too late")
        yield

    monkeypatch.setattr(serving_module, "running_server", slowly)
    start = Start(tmp_path)
    start.stop()
    assert isinstance(start.result, KeyboardInterrupt)
    may_load.set()
