"""A stand-in for the servers of public benchmarks on the loopback interface, with the faults that real ones have."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stub_server import QuietHandler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class StubMirror:
    """What the stand-in serves, how, and what it was asked: paths with the range."""

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    """after how many bytes each of the next answers breaks off"""
    ranges: bool = True
    """whether it gives parts of files"""
    shift: int = 0
    """by how many bytes a part begins elsewhere than asked"""
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    base: str = ""


@contextmanager
def stub_mirror(files: dict[str, bytes]) -> Iterator[StubMirror]:
    """Serve files by name at ``<base>/<name>`` until the block ends."""
    mirror = StubMirror(files)
    with serving(_handler(mirror)) as mirror.base:
        yield mirror


def _handler(mirror: StubMirror) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            name, wanted = self.path.lstrip("/"), self.headers.get("Range", "")
            mirror.asked.append(f"{name} {wanted}".strip())
            if name in mirror.redirects:
                self._answer(302, b"", Location=mirror.redirects[name])
            elif name not in mirror.files:
                self._answer(404, b"")
            else:
                self._give(mirror.files[name], wanted)

        def _give(self, content: bytes, wanted: str) -> None:
            if not wanted or not mirror.ranges:
                return self._answer(200, content)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) + mirror.shift
            if start >= len(content):
                return self._answer(416, b"")
            where = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._answer(206, content[start:], **{"Content-Range": where})

        def _answer(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            sent = mirror.cuts.pop(0) if mirror.cuts and content else len(content)
            self.wfile.write(content[:sent])

    return Handler
