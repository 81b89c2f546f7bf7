"""A proxy that shows a server below a path, which it takes off or passes on."""

from __future__ import annotations

import http.client
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "/plant/inspect"


class Proxy(BaseHTTPRequestHandler):
    """Passes requests below a path on, with the headers that a browser sent."""

    upstream: str
    strips: bool

    def do_GET(self) -> None:
        if self.path != PREFIX and not self.path.startswith(f"{PREFIX}/"):
            self.send_error(404)
            return
        path = self.path.removeprefix(PREFIX) if self.strips else self.path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with closing(http.client.HTTPConnection(self.upstream)) as client:
            client.request(self.command, path or "/", body, dict(self.headers))
            answer = client.getresponse()
            data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        """Be silent."""


@contextmanager
def proxied(upstream: str, *, strips: bool) -> Iterator[str]:
    """A proxy on loopback; yields the address of what it shows."""
    handler = type("Of", (Proxy,), {"upstream": urlsplit(upstream).netloc, "strips": strips})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}/"
        server.shutdown()
