"""Clients that send nothing, too little or too slowly keep no place from others."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import http.client
import itertools
import logging
import math
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers

from serving import code, good, listening, site
from twinspect.serve.api_errors import ApiError
from twinspect.serve.http import connections, inspection_csv, lingering, request_guard
from twinspect.serve.http.connections import TimedProtocol, most_connections
from twinspect.serve.http.rate_limit import RateLimit
from twinspect.serve.http.request_guard import Guard, Hosts
from twinspect.serve.http.tokens import Actor, Tokens
from twinspect.serve.logs import _NowAndThen
from twinspect.serve.server import Server
from twinspect.serve.settings import Settings
from twinspect.serve.uploads.incoming import IncomingBytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STALLED = (
    b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n"
)


def opened(url: str, request: bytes, count: int) -> list[socket.socket]:
    """Open connections and send each the beginning of a request."""
    place = urlsplit(url)
    assert place.hostname
    assert place.port
    sockets = [socket.create_connection((place.hostname, place.port), timeout=30) for _ in range(count)]
    for each in sockets:
        each.sendall(request)
    return sockets


def posted(url: str, body: bytes) -> tuple[int, float]:
    began = time.monotonic()
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as client:
        client.request("POST", "/v1/score", body, {"Content-Type": "image/png"})
        return client.getresponse().status, time.monotonic() - began


def test_uploads_that_stop_sending_block_nobody_and_are_ended(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_guard, "PIECE_SECONDS", 1.5)
    with site(bundle, tmp_path) as server, listening(server) as url:
        stalled = opened(url, STALLED, 20)
        status, seconds = posted(url, good(1))
        assert (status, seconds < 10) == (200, True)
        for each in stalled:
            assert b" 408 " in each.recv(4096).split(b"\r\n")[0] + b" "
            each.close()


def refused_upload(url: str, size: int) -> tuple[bytes, float]:
    """Send an upload that is refused by its header, whole, as a proxy does that keeps no connection."""
    place = urlsplit(url)
    began = time.monotonic()
    with closing(socket.create_connection((place.hostname or "", place.port or 0), timeout=30)) as each:
        head = f"POST /v1/score HTTP/1.0\r\nHost: evil.example\r\nContent-Length: {size}\r\n\r\n"
        each.sendall(head.encode())
        time.sleep(0.1)  # the refusal is sent now, and a connection that is closed at once is reset
        each.sendall(bytes(min(size, 2**21)))
        answer = b"".join(iter(lambda: each.recv(65536), b""))
    return answer, time.monotonic() - began


def test_an_upload_that_is_refused_by_its_header_is_read_on_so_that_the_answer_arrives(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 1.0)
    with site(bundle, tmp_path) as server, listening(server) as url:
        answer, _ = refused_upload(url, 2**21)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"host_not_allowed" in answer
        unfinished, seconds = refused_upload(url, 2**22)  # its second half never comes
        assert b"host_not_allowed" in unfinished
        assert 1.0 <= seconds < 10


@pytest.mark.parametrize("size", [4, 100])
def test_no_more_than_so_much_is_read_on(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(lingering, "LINGER_BYTES", 10)
    sent: list[Any] = []
    pieces = iter([{"body": bytes(size), "more_body": True}] * 5)

    async def refuse(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401})
        await send({"type": "http.response.body", "body": b"no"})

    async def receive() -> Any:
        return next(pieces)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", b"1000")]}
    asyncio.run(lingering.Lingering(refuse)(scope, receive, send))
    assert [each.get("more_body", False) for each in sent[1:]] == [True, False]
    assert len(list(pieces)) == 5 - math.ceil(10 / size)


def test_connections_without_a_header_are_closed(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 1.0)
    monkeypatch.setattr(TimedProtocol, "closed", dict.fromkeys(connections.CLOSED, 0))
    with site(bundle, tmp_path) as server, listening(server) as url:
        silent, partial = opened(url, b"", 1)[0], opened(url, b"GET / HTTP/1.1\r\n", 1)[0]
        slow = opened(url, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 1)[0]
        assert b"200 OK" in slow.recv(4096)
        assert (silent.recv(10), partial.recv(10)) == (b"", b"")
        for each in (silent, partial, slow):
            each.close()
        metrics = server.client.get("/metrics").text
    for reason, number in (("silent", 1), ("slow_header", 1), ("too_many", 0)):
        assert f'twinspect_connections_closed_total{{reason="{reason}"}} {number}.0' in metrics
    (record,) = [each for each in caplog.records if each.name == connections.LOG.name]
    assert "127.0.0.1 was closed: slow_header" in record.message


def test_too_many_connections_close_the_one_that_waited_longest(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(bundle, tmp_path) as server, listening(server) as url:
        monkeypatch.setattr(TimedProtocol, "most", TimedProtocol.open + 5)
        waiting = opened(url, b"GET / HTTP/1.1\r\n", 5)
        time.sleep(0.2)  # they are accepted in this order
        status, _ = posted(url, good(2))
        assert status == 200
        assert waiting[0].recv(10) == b""
        waiting[4].settimeout(0.2)
        with pytest.raises(TimeoutError):
            waiting[4].recv(10)
        for each in waiting:
            each.close()


def test_connections_leave_files_for_models_and_images(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 4096))
    assert most_connections() == 70


def test_bodies_that_arrive_have_a_common_limit_and_give_it_back() -> None:
    total = IncomingBytes(10)

    async def pieces(*sizes: int) -> AsyncIterator[bytes]:
        for size in sizes:
            yield bytes(size)

    async def read(*sizes: int) -> int:
        with total.body() as body:
            return sum([len(piece) async for piece in body.counted(pieces(*sizes))])

    assert asyncio.run(read(4, 6)) == 10
    with pytest.raises(ApiError, match="too many uploads arrive at once"):
        asyncio.run(read(4, 7))
    assert total.held == 0


def test_the_log_repeats_no_message_of_asyncio_at_once() -> None:
    quiet = _NowAndThen()
    texts = [("a", ()), ("a", ()), ("b", ()), ("of %s", ("x",)), ("of %s", ("y",))]
    records = [logging.LogRecord("asyncio", logging.ERROR, "", 0, *each, None) for each in texts]
    assert [quiet.filter(record) for record in records] == [True, False, True, True, False]


@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00"]
)
def test_a_time_beyond_the_calendar_is_told(bundle: Path, tmp_path: Path, since: str) -> None:
    with site(bundle, tmp_path) as server:
        assert server.client.get("/v1/inspections", params={"since": since}).status_code == 200


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), (507, "storage_full")),
        (OperationalError("insert", {}, Exception("database or disk is full")), (507, "storage_full")),
        (OperationalError("select", {}, Exception("no such table")), (503, "store_unavailable")),
        (OSError(errno.EIO, "Input/output error"), (503, "store_unavailable")),
    ],
)
def test_a_full_disk_or_a_lost_store_is_one_line_of_the_log(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    expected: tuple[int, str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with site(bundle, tmp_path) as server:
        monkeypatch.setattr(server.context.store.archive, "put", fail)
        assert code(server.score(good(3))) == expected
    (record,) = [each for each in caplog.records if "store cannot be used" in each.message]
    assert str(tmp_path) in record.message
    assert (record.exc_info, "\n" in record.message) == (None, False)


def test_each_owner_of_a_token_has_a_rate_and_so_has_each_address() -> None:
    actors = tuple(
        (Actor(name, "inspect"), hashlib.sha256(name.encode()).hexdigest()) for name in ("ann", "bob")
    )
    guard = Guard(lambda *_: None, Hosts(), RateLimit(1.0), 1000, Tokens(actors))  # type: ignore[arg-type, return-value]

    def named(token: str, address: str) -> str:
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        return guard._client(Headers(raw=headers), {"client": (address, 1)})

    assert named("ann", "10.0.0.1") == named("ann", "10.0.0.2") == "token of ann"
    assert named("bob", "10.0.0.1") == "token of bob"
    assert named("wrong", "10.0.0.1") == named("", "10.0.0.1") == "address 10.0.0.1"


def test_a_trusted_proxy_says_who_connects_and_others_do_not() -> None:
    behind = Settings(models=("m",), data=Path(), trusted_proxies=("10.0.0.9",), token_file=Path("t"))
    config = Server(behind).config
    assert (config.proxy_headers, config.forwarded_allow_ips) == (True, ["10.0.0.9"])
    assert Server(Settings(models=("m",), data=Path())).config.proxy_headers is False


def test_a_table_that_breaks_off_ends_the_connection_with_one_line_of_the_log(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inspection_csv, "_PAGE", 1)
    with site(bundle, tmp_path) as server, listening(server) as url:
        server.scored(good(4), good(5), good(6))
        search, calls = server.context.store.search, itertools.count()

        def fail_later(*arguments: Any) -> Any:
            if next(calls) == 2:
                raise OperationalError("select", {}, Exception("closed"))
            return search(*arguments)

        monkeypatch.setattr(server.context.store, "search", fail_later)
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as client:
            client.request("GET", "/v1/inspections?format=csv")
            with pytest.raises(http.client.IncompleteRead):
                client.getresponse().read()
    (record,) = [each for each in caplog.records if "broke off" in each.message]
    assert (record.exc_info, "closed" in record.message) == (None, True)


@pytest.mark.parametrize("since", ["2026", "0.5", "1e9", " 7 "])
def test_a_number_is_no_time(bundle: Path, tmp_path: Path, since: str) -> None:
    with site(bundle, tmp_path) as server:
        for address in ("/v1/inspections", "/v1/models/parts/scores"):
            answer = server.client.get(address, params={"since": since})
            assert code(answer) == (422, "invalid_request")
            assert "such as 2026-11-30T08:00:00Z" in answer.json()["error"]["message"]
        body = {"use": "calibration", "since": float(since), "dry_run": True}
        assert server.client.post("/v1/models/parts/recalibrate", json=body).status_code == 422
