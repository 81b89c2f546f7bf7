"""A stand-in for the Hugging Face hub on the loopback interface, for tests without a network."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stub_server import QuietHandler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class StubHub:
    """What the stand-in serves and was asked.

    Args:
        files: content by ``owner/name/file``.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []
        self.endpoint = ""


@contextmanager
def stub_hub(files: dict[str, bytes]) -> Iterator[StubHub]:
    """Serve files at ``<endpoint>/<owner>/<name>/resolve/main/<file>`` until the block ends."""
    hub = StubHub(files)
    with serving(_handler(hub)) as hub.endpoint:
        yield hub


def _handler(hub: StubHub) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            content = hub.files.get(self.path.strip("/").replace("resolve/main/", "", 1))
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_body:
                self.wfile.write(content)

    return Handler
