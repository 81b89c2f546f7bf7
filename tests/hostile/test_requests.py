"""Requests that no client should send, over real connections: answered or closed, and the server goes on."""

from __future__ import annotations

import json
import logging
import random
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

pytest.importorskip("fastapi")

from altered import TEXTS, altered, flipped, spliced
from serving import bad, good, listening, site
from trials import seeds, trying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from serving import Site

DOCUMENTED = (503, 507)
"""Codes from 500 on that a client may see: too much work, and a full disk."""
WAIT = 0.25
"""Seconds in which an answer begins where the request was complete; nearly always."""
PIECES = (
    *(
        *TEXTS,
        b" ",
        b"\r\n\r\n",
        b"HTTP/9.9",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"?",
        b"&",
    ),
    *(
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Expect: 100-continue\r\n",
        b"%",
    ),
    *(
        b"Range: bytes=9-1\r\n",
        b"Host: x\r\n",
        b"Content-Type: \xff\r\n",
        b"ffffffffffffffff\r\n",
        b"%00",
        b"%ff",
        b"=--",
    ),
    *(
        b"since=9e99",
        b"limit=-1",
        b"1e400",
        b"boundary=",
        b"filename*=UTF-8''%ff",
        b"0\r\n\r\n",
        b"Upgrade: h2c\r\n",
    ),
)
NUMBERS = (
    -1,
    0,
    2**31,
    2**63,
    2**64,
    10**400,
    0.5,
    "1e400",
    "nan",
    "inf",
    "1e-400",
    "0x10",
    "9999-12-31T23:59:59Z",
)
HEADERS = (
    *(
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Expect: x\r\n",
    ),
    *(
        b"Range: bytes=9-1\r\n",
        b"Host: x\r\n",
        b"Content-Type: \xff\r\n",
        b"Accept: \xff/*;q=nan\r\n",
        b"A:\x00\r\n",
    ),
    *(b"Authorization: Bearer \xff\r\n", b"Authorization: Basic ====\r\n", b"X-Forwarded-For: \xff, ::1\r\n"),
    *(
        b"Content-Type: multipart/form-data\r\n",
        b"Content-Type: application/json; charset=\xff\r\n",
        b"Cookie: =;=\r\n",
    ),
    *(
        b"If-None-Match: \xff\r\n",
        b"Origin: null\r\n",
        b"A: " + b"a" * 60_000 + b"\r\n",
        b"Upgrade: h2c\r\n",
        b" a\r\n",
    ),
    *(b"Cookie: =;=\r\n", b" a\r\n", b"Content-Encoding: gzip\r\n"),
    *(b"Content-Type: multipart/form-data; boundary=" + b"B" * 300 + b"\r\n",),
)


class Refused(Exception):
    """The server refused the request with a code from 400 on."""


def request(method: str, target: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def chunked(target: str, body: bytes) -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: image/png\r\n"
    pieces = [body[at : at + 500] for at in range(0, len(body), 500)]
    sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + sent + b"0\r\n\r\n"


def form(*images: bytes) -> bytes:
    parts = [
        b'--B\r\nContent-Disposition: form-data; name="images"; filename="%d.png"\r\n'
        b"Content-Type: image/png\r\n\r\n%s\r\n" % (number, image)
        for number, image in enumerate(images)
    ]
    return b"".join(parts) + b"--B--\r\n"


@pytest.fixture(scope="module")
def asked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    folder = tmp_path_factory.mktemp("asked")
    with site(bundle, folder / "data") as server, listening(server) as url:
        assert len(server.scored(good(1), bad(2))) == 2
        yield server, url


BODIES = {
    "feedback": {"inspection_id": 1, "verdict": "good", "comment": "seen"},
    "recalibrate": {
        "use": "calibration",
        "false_alarm_rate": 0.2,
        "since": "2020-01-01T00:00:00Z",
        "reason": "",
        "dry_run": True,
    },
    "calibrate": {
        "region": {
            "look": [[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]],
            "ignore": [[[0.2, 0.2], [0.3, 0.2], [0.3, 0.3]]],
        },
        "false_alarm_rate": 0.2,
        "reason": "",
        "dry_run": True,
    },
    "rollback": {"calibration_id": 1, "reason": "before"},
}
"""By the last part of the operation's path."""
VALUES = {
    "after": "5",
    "limit": "5",
    "format": "csv",
    "since": "2020-01-01T00:00:00Z",
    "until": "2030-01-01",
    "rate": "0.2",
    "window": "5",
    "state": "done",
    "anomalous": "true",
    "overlay": "0.5",
    "size": "64",
}
"""Of queries, by name."""


def requests_of(server: Site) -> list[bytes]:
    """A request of each operation of the interface, and of each kind of body."""
    document = server.client.get("/openapi.json").json()
    model = server.client.get("/v1/models").json()["models"][0]["name"]
    found = []
    for path, operations in document["paths"].items():
        target = path.replace("{number}", "1").replace("{model}", model)
        for method, operation in operations.items():
            names = [given["name"] for given in operation.get("parameters", ()) if given["in"] == "query"]
            query = "&".join(f"{name}={VALUES[name]}" for name in names if name in VALUES)
            body = BODIES.get(path.rpartition("/")[2], {}) if method == "post" else {}
            content = json.dumps(body).encode() if body else b""
            found.append(request(method.upper(), f"{target}?{query}".rstrip("?"), content))
    images = form(good(3), bad(4))
    return [
        *found,
        request("GET", "/"),
        request("POST", "/v1/score?wait=false", good(5), "image/png"),
        request("POST", "/v1/score", images, "multipart/form-data; boundary=B"),
        chunked("/v1/score?wait=false", good(6)),
    ]


def damaged(content: bytes, seed: int) -> bytes:
    """Alter a value of the query, the fields of JSON, the body, or any bytes."""
    head, _, body = content.partition(b"\r\n\r\n")
    line, _, lines = head.partition(b"\r\n")
    rng, target = random.Random(seed), line.decode().split()[1]
    if seed % 4 == 1:
        parts = re.split("([/?&=])", target)
        at = rng.choice([number for number, part in enumerate(parts) if part not in ("/", "?", "&", "=")])
        parts[at] = rng.choice([quote(rng.choice(PIECES)[:3000]), str(rng.choice(NUMBERS)), parts[at] * 2])
        return line.replace(target.encode(), "".join(parts).encode()) + b"\r\n" + lines + b"\r\n\r\n" + body
    if seed % 4 == 2 and body:
        if body[:1] == b"{" and rng.random() < 0.8:
            return request("POST", target, json.dumps(altered(json.loads(body), seed)).encode())
        changed = flipped(body, seed) if rng.random() < 0.4 else spliced(body, PIECES, seed)
        kept = [one for one in lines.split(b"\r\n") if not one.startswith(b"Content-Length")]
        return b"\r\n".join([line, *kept, b"Content-Length: %d" % len(changed), b"", changed])
    if seed % 4 == 3:
        return line + b"\r\n" + rng.choice(HEADERS) + lines + b"\r\n\r\n" + body
    return flipped(content, seed) if rng.random() < 0.4 else spliced(content, PIECES, seed)


def answer(url: str, content: bytes) -> bytes:
    """Send bytes and read the answer; where the server waits for more, say that nothing more comes."""
    place = urlsplit(url)
    received = b""
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=WAIT) as client:
        try:
            client.sendall(content)
            try:
                received += client.recv(65536)
            except TimeoutError:
                client.shutdown(socket.SHUT_WR)
            client.settimeout(0.05 if received else 15)
            while piece := client.recv(65536):
                received += piece
        except (ConnectionResetError, BrokenPipeError):  # closed before all was sent
            return received
        except TimeoutError:
            assert received, "neither answered nor closed"
    return received


def check_answer(url: str, content: bytes) -> None:
    received = answer(url, content)
    codes = [
        int(part[9:12])
        for part in received.split(b"HTTP/1.1 ")[1:0] or [received[:12]]
        if part[9:12].isdigit()
    ]
    assert not any(code >= 500 and code not in DOCUMENTED for code in codes), received[:400]
    assert b"Traceback" not in received
    if codes and codes[0] >= 400:
        raise Refused(codes[0])


@seeds(120, 2500)
def test_requests_are_answered_and_the_server_goes_on(
    seeds: range, asked: tuple[Site, str], caplog: pytest.LogCaptureFixture
) -> None:
    server, url = asked
    known = requests_of(server)
    with trying("HTTP requests") as trial, caplog.at_level(logging.INFO):
        for seed in seeds:
            content = damaged(random.Random(seed).choice(known), seed)
            trial.refusal(seed, lambda content=content: check_answer(url, content), Refused)  # type: ignore[misc]
            if seed % 50 == 0:
                assert b"200 OK" in answer(url, request("GET", "/healthz"))
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert not tracebacks, (len(tracebacks), caplog.handler.format(tracebacks[0]))
    assert not any("\n" in record.getMessage() for record in caplog.records)
    assert server.scored(good(7))[0]["state"] == "done"


def test_unaltered_requests_are_answered(asked: tuple[Site, str]) -> None:
    """Or nothing would be altered that the server reads."""
    server, url = asked
    codes = [answer(url, content)[9:12] for content in requests_of(server)]
    assert codes.count(b"200") + codes.count(b"202") > len(codes) / 2, codes
