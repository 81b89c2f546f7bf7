"""A stand-in for the Hugging Face hub that models can be pushed to and fetched from, on the loopback interface."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stub_server import QuietHandler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


class StubModelHub:
    """What lies on it, and what it was asked.

    Attributes:
        repositories: files by name, by repository.
        private: of each repository that was made.
        fetched: names of files that were asked for.
        writable: whether it takes what is pushed.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.fetched: list[str] = []
        self.writable = True
        self.endpoint = ""
        self.commits = 0

    @property
    def commit(self) -> str:
        """The newest, 40 hexadecimal digits."""
        return f"{self.commits:040x}"

    def create(self, asked: dict[str, Any]) -> str:
        """Make a repository, unless it is there, and return its page."""
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        self.repositories.setdefault(name, {})
        self.private.setdefault(name, bool(asked.get("private")) or asked.get("visibility") == "private")
        return f"{self.endpoint}/{name}"

    def take(self, repository: str, lines: list[dict[str, Any]]) -> None:
        """Carry out a commit, as the client sends it: a line for the header and one for each file."""
        files = self.repositories[repository]
        for line in lines:
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del files[line["value"]["path"]]
        self.commits += 1


@contextmanager
def stub_model_hub() -> Iterator[StubModelHub]:
    """Serve an empty hub until the block ends."""
    hub = StubModelHub()
    with serving(_handler(hub)) as hub.endpoint:
        yield hub


def _handler(hub: StubModelHub) -> type[QuietHandler]:
    class Handler(_ModelHubHandler):
        served = hub

    return Handler


class _ModelHubHandler(QuietHandler):
    served: StubModelHub

    def do_HEAD(self) -> None:
        self._file(with_body=False)

    def do_GET(self) -> None:
        found = re.match(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/?]+)", self.path)
        if not self.path.startswith("/api/"):
            self._file(with_body=True)
        elif not found or found[1] not in self.served.repositories:
            self._missing()
        elif found[2] == "tree":
            self._json([_entry(*each) for each in self.served.repositories[found[1]].items()])
        else:
            siblings = [{"rfilename": name} for name in self.served.repositories[found[1]]]
            self._json({"id": found[1], "sha": self.served.commit, "siblings": siblings})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.served.writable:
            self._json({"error": "Invalid username or password."}, status=401)
        elif self.path == "/api/repos/create":
            self._json({"url": self.served.create(json.loads(body))})
        elif self.path.endswith("/preupload/main"):
            names = [each["path"] for each in json.loads(body)["files"]]
            self._json(
                {"files": [{"path": each, "uploadMode": "regular", "shouldIgnore": False} for each in names]}
            )
        elif found := re.match(r"/api/models/([^/]+/[^/]+)/commit/main", self.path):
            self.served.take(found[1], [json.loads(line) for line in body.splitlines()])
            page = f"{self.served.endpoint}/{found[1]}/commit/{self.served.commit}"
            self._json({"commitUrl": page, "commitOid": self.served.commit, "pullRequestUrl": None})
        else:
            self._json({})

    def _file(self, *, with_body: bool) -> None:
        found = re.match(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path)
        content = self.served.repositories.get(found[1], {}).get(found[2]) if found else None
        if found is None or content is None:
            self._missing()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", self.served.commit)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.served.fetched.append(found[2])
            self.wfile.write(content)

    def _json(self, answer: Any, status: int = 200) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _missing(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()


def _entry(name: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
