"""No answer tells a path of the server, or a line of its program, to roles that may not see them."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import OperationalError

from serving import Site, bad, good, site
from twinspect.serve.http.tokens import add_token
from twinspect.serve.products import child, trainer
from twinspect.serve.scoring.model_worker import ScoreRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinspect.serve.store import InspectionRow

NAME, PRODUCT = "parts", "tiles"
NUMBERS = ("1", "4", "5", "6", "999", "x")
JSON_BODIES: dict[str, list[Any]] = {
    "/v1/feedback": [{"inspection_id": 1, "verdict": "good"}, {"inspection_id": 999, "verdict": "good"}, []],
    "/v1/models/{model}/recalibrate": [
        {"use": "calibration", "false_alarm_rate": 0.2, "dry_run": True},
        {"use": "calibration", "false_alarm_rate": 1e-9, "reason": "try"},
        {"use": "calibration", "false_alarm_rate": 0.2, "reason": "try"},
        {"use": "all"},
    ],
    "/v1/models/{model}/calibrate": [
        {"dry_run": True},
        {"region": {"look": [[[0, 0], [1, 0], [1, 1]]]}, "false_alarm_rate": 0.5, "reason": "try"},
        {"region": {"look": [[[0, 0], [1, 0], [9, 9]]]}, "dry_run": True},
        {"region": {}, "reason": "try"},
    ],
    "/v1/products": [{"name": NAME}, {"name": "../up"}, {"name": "new", "demo": "none"}],
    "/v1/products/{name}/region": [
        {"look": [[[0, 0], [1, 0], [1, 1]]]},
        {"look": [[[0, 0], [9, 0], [1, 1]]]},
    ],
    "/v1/products/{name}/photos/from-inspections": [
        {"inspection_ids": [1], "role": "good"},
        {"inspection_ids": [999], "role": "good"},
    ],
    "/v1/products/{name}/photos/{photo}": [{"role": "defect"}, {"role": "bad"}],
    "/v1/products/{name}/jobs": [{"minutes": 1}, {"minutes": 1, "kind": "update"}, {"minutes": -1}],
    "/v1/products/{name}/versions/{number}/export": [{"to": "onnx"}, {"to": "x"}],
    "/v1/products/{name}/versions/{number}/activate": [{"reason": "try"}, {"reason": ""}],
    "/v1/products/{name}/shadow": [{"version": None}, {"version": 1}, {"version": 999}],
    "/v1/models/{model}/rollback": [
        {"calibration_id": 1, "reason": "try"},
        {"calibration_id": 999, "reason": "try"},
        {"calibration_id": "x"},
    ],
    "/v1/models/{model}/sinks": [
        {"target": {"kind": "folder", "path": "/"}},
        {"target": {"kind": "webhook", "url": "http://127.0.0.1:9/x"}, "enabled": False},
        {"target": {"kind": "none"}},
    ],
    "/v1/models/{model}/sources": [
        {"name": "x", "origin": {"kind": "folder", "path": "/"}},
        {"name": "x", "origin": {"kind": "usb"}},
    ],
    "/v1/models/{model}/trigger": [{}, {"source": 1}, {"source": "x"}],
    "/v1/sinks/{number}/test": [{}],
    "/v1/sinks/{number}/send_again": [{}, {"deliveries": [1, 999]}],
    "/v1/sinks/{number}/give_up": [{"deliveries": []}, {"deliveries": "x"}],
}
"""Bodies of every route that takes JSON: accepted ones, and ones that are refused in each way."""
STUB = Path(__file__).parents[1] / "helpers" / "stub_training.py"
QUERIES = ("?format=csv&rate=0.2", "?format=npz&folder=none&rate=1e-9", "?model=none&limit=x")


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, bundle: Path, tmp_path: Path) -> None:
    """Trainings that take no time; all but the first fail, and name their folder."""
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-S", str(STUB)))
    monkeypatch.setattr(trainer, "POLL", 0.02)
    monkeypatch.setenv("STUB_MODEL", str(bundle))
    monkeypatch.setenv("STUB_ERROR_LATER", f"{tmp_path / 'data' / 'products' / PRODUCT} is full")


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    """Hundreds of tracebacks take a minute to write."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@contextmanager
def secret_site(bundle: Path, folder: Path) -> Iterator[tuple[Site, dict[str, str]]]:
    """A server of everything in one folder, whose path nobody but an admin may learn; and tokens by role."""
    shutil.copytree(bundle, folder / f"{NAME}.twin")
    watched = folder / "line"
    watched.mkdir()
    roles = ("view", "inspect", "train", "admin")
    tokens = {role: add_token(folder / "tokens", f"{role}er:{role}") for role in roles}
    changes: dict[str, Any] = {
        "token_file": folder / "tokens",
        "watched": (watched,),
        "allowed_folders": (folder,),
        "studio": True,
    }
    with site(folder / f"{NAME}.twin", folder / "data", **changes) as server:
        server.client.headers["Authorization"] = f"Bearer {tokens['admin']}"
        (folder / "in the way").write_text("a file")
        for name in ("results", "in the way"):
            target = {"kind": "folder", "path": str(folder / name)}
            added = server.client.post(f"/v1/models/{NAME}/sinks", json={"target": target})
            assert added.status_code == 201
        origin = {"kind": "folder", "path": str(watched)}
        added = server.client.post(f"/v1/models/{NAME}/sources", json={"name": "line", "origin": origin})
        assert added.status_code == 201
        watched.rename(folder / "gone")
        server.scored(good(1), bad(2), good(3))
        make_product(server)
        yield server, tokens


def make_product(server: Site) -> None:
    """A product with photos, a version, and a training that failed for a reason that names a path."""
    client, address = server.client, f"/v1/products/{PRODUCT}"
    client.post("/v1/products", json={"name": PRODUCT})
    client.post(f"{address}/photos", files=[("images", (f"{seed}.png", good(seed))) for seed in range(3)])
    for _ in range(2):
        assert client.post(f"{address}/jobs", json={"minutes": 1}).status_code == 201
        end = time.monotonic() + 120
        while client.get("/v1/jobs").json()["jobs"]:
            assert time.monotonic() < end
            time.sleep(0.05)
    states = [job["state"] for job in client.get(f"{address}/jobs").json()["jobs"]]
    assert states == ["failed", "done"]


def accepted(server: Site, seed: int) -> InspectionRow:
    """An image that was accepted by a server that was killed then."""
    store, data = server.context.store, good(seed)
    row = store.accept(
        server.worker.id, store.archive.put(data, ".png", 48, 48), name="a.png", category="", source="api"
    )
    assert row is not None
    return row


def requests(server: Site) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every route of the OpenAPI document, each in several ways, and the addresses beside it."""
    for path, operations in server.client.get("/openapi.json").json()["paths"].items():
        for method in operations:
            for filled in filled_in(path):
                yield from ((method.upper(), filled, options) for options in bodies(method, path))
                if method == "get":
                    yield from (("GET", filled + query, {}) for query in QUERIES)
    for path in ("/", "/openapi.json", "/static/none.js", "/static/..%2f..%2fapp.py", "/none", "/v1/models/"):
        yield "GET", path, {}
        yield "PATCH", path, {}


def filled_in(path: str) -> list[str]:
    values = {
        "{number}": ("1", "999") if "/versions/" in path else NUMBERS,
        "{model}": (NAME, "none"),
        "{name}": (PRODUCT, "none"),
        "{photo}": ("1", "999"),
        "{job}": ("1", "999", "x"),
        "{action}": ("pause", "resume", "stop"),
    }
    paths = [path]
    for part, given in values.items():
        paths = [one.replace(part, value) for one in paths for value in given] if part in path else paths
    return paths


def bodies(method: str, path: str) -> list[dict[str, Any]]:
    if path == "/v1/score":
        image = {"content-type": "image/png"}
        sent = (good(5), b"", b"no image", good(6)[:200], b"\x89PNG\r\n\x1a\n" + bytes(50))
        return [
            *({"content": content, "headers": image} for content in sent),
            {
                "content": b"x",
                "headers": {"content-type": "multipart/form-data; boundary=b"},
                "params": {"model": NAME},
            },
            {"content": b"x", "headers": {"content-type": "text/plain"}, "params": {"model": NAME}},
            {"files": [("images", ("../a.png", good(7))), ("images", ("b.png", b"no image"))]},
        ]
    if path.endswith("/photos") and method == "post":
        return [{"content": content, "headers": {"content-type": "image/png"}} for content in (good(8), b"x")]
    if path not in JSON_BODIES or method in ("get", "delete"):
        return [{}]
    return [{"json": body} for body in JSON_BODIES[path]] + [{"content": b"{"}]


def told(server: Site, role_tokens: dict[str, str], folder: Path) -> tuple[list[str], set[int]]:
    """Ask everything in each lesser role; returns answers that tell too much, and the statuses that came."""
    secrets = (
        str(folder),
        folder.as_posix(),
        json.dumps(str(folder))[1:-1],
        "Traceback",
        'File "',
        "sqlite3",
    )
    found, statuses = [], set()
    for role in ("view", "inspect", "train", ""):
        headers = (
            {"Authorization": f"Bearer {role_tokens[role]}"} if role else {"Authorization": "Bearer none"}
        )
        for method, path, options in requests(server):
            sent = options | {"headers": headers | options.get("headers", {})}
            answer = server.client.request(method, path, follow_redirects=False, **sent)
            statuses.add(answer.status_code)
            text = answer.text + str(answer.headers)
            if any(secret in text for secret in secrets):
                found.append(f"{role} {method} {path}: {answer.status_code} {text[:300]}")
    return found, statuses


def test_no_answer_tells_a_path_while_all_is_well(bundle: Path, tmp_path: Path) -> None:
    with secret_site(bundle, tmp_path) as (server, tokens):
        found, statuses = told(server, tokens, tmp_path)
        assert found == []
        assert statuses >= {200, 400, 401, 403, 404, 405, 415, 422}


def test_no_answer_tells_a_path_of_files_that_are_damaged(bundle: Path, tmp_path: Path) -> None:
    with secret_site(bundle, tmp_path) as (server, tokens):
        store = server.context.store
        rows = [accepted(server, seed) for seed in (11, 12, 13)]
        cut, _, changed = (store.archive.path(row.image_sha256) for row in rows)
        cut.write_bytes(good(11)[:300])
        store.archive.remove(rows[1].image_sha256)
        changed.write_bytes(b"no image")
        for future in server.worker.queue.recover(*map(ScoreRequest, rows)):  # as after a restart
            future.result()
        (tmp_path / f"{NAME}.twin" / "model.json").write_text("{")
        server.context.registry.check_for_changes()

        found, statuses = told(server, tokens, tmp_path)
        assert found == []
        assert statuses >= {410, 422, 503}
        model = server.client.get("/v1/models").json()["models"][0]
        assert str(tmp_path) in model["error"]  # an admin sees it
        hidden = server.client.get("/v1/models", headers={"Authorization": f"Bearer {tokens['view']}"}).json()
        assert hidden["models"][0]["error"] == "it cannot be loaded; the role admin is told why"


@pytest.mark.parametrize("failure", ["full", "denied", "database", "defect"])
def test_no_answer_tells_a_path_when_the_store_fails(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    place = str(tmp_path / "data" / "inspections.sqlite")
    error = {
        "full": OSError(errno.ENOSPC, "No space left on device", place),
        "denied": PermissionError(errno.EACCES, "Permission denied", place),
        "database": OperationalError(
            f"select {place}", {"path": place}, Exception(f"unable to open {place}")
        ),
        "defect": RuntimeError(f"a defect at {place}"),
    }[failure]

    def fail(*_: object, **__: object) -> None:
        raise error

    with secret_site(bundle, tmp_path) as (server, tokens):
        store = server.context.store
        for name in (
            "inspection",
            "search",
            "scores",
            "windows",
            "add_feedback",
            "propose",
            "audit",
            "calibrations",
        ):
            monkeypatch.setattr(store, name, fail)
        for name in ("models", "roll_back", "accept"):
            monkeypatch.setattr(store, name, fail)
        for name in ("put", "read", "path"):
            monkeypatch.setattr(store.archive, name, fail)
        found, statuses = told(server, tokens, tmp_path)
        assert found == []
        assert {"full": 507, "denied": 503, "database": 503, "defect": 500}[failure] in statuses


def test_the_audit_tells_the_folder_to_admins_only(bundle: Path, tmp_path: Path) -> None:
    with secret_site(bundle, tmp_path) as (server, tokens):
        address = f"/v1/models/{NAME}/audit"
        entry = server.client.get(address).json()["entries"][-1]
        assert entry["details"]["path"] == str((tmp_path / f"{NAME}.twin").resolve())
        seen = server.client.get(address, headers={"Authorization": f"Bearer {tokens['inspect']}"}).json()[
            "entries"
        ][-1]
        assert seen["details"] == {name: value for name, value in entry["details"].items() if name != "path"}
