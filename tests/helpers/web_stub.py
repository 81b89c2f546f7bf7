"""A server of fabricated answers behind the real page: what the browser tests need, without a model or a database."""

from __future__ import annotations

import io
import json
import re
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

from studio_stub import health
from web_files import WEB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studio_stub import Studio

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
THRESHOLD = 3.1
START = datetime(2026, 11, 27, 8, tzinfo=timezone.utc)
HOSTILE = "<img src=x onerror=alert(1)>.png"


def picture(seed: int, kind: str) -> bytes:
    """A striped part (``image``) or a heat map with one hot spot (``map``), as PNG."""
    rows, columns = np.mgrid[:96, :128]
    if kind == "image":
        values = 128 + 50 * np.sin((rows + columns) / 5 + seed)
        rgb = values[..., None] * np.array([1.0, 0.95, 0.85])
        return png(rgb.clip(0, 255).astype(np.uint8))
    spot = np.exp(-((rows - 30 - 5 * (seed % 6)) ** 2 + (columns - 80) ** 2) / 300)
    alpha = 255 * 0.8 * (np.clip(spot - 0.4, 0, None) / 0.6) ** 0.7
    return png(np.dstack([np.full_like(alpha, 240), 140 + 80 * spot, 40 + 0 * alpha, alpha]).astype(np.uint8))


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class World:
    """The stub's state: inspections, calibration records and the requests it received."""

    def __init__(self, token: str | None = None, images: int = 40, role: str = "admin") -> None:
        self.token, self.role = token, role
        self.studio: Studio | None = None
        self.usable = True
        self.busy = 0
        """Uploads to be answered by 429 before one is taken."""
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.inspections: list[dict[str, Any]] = []
        random = np.random.default_rng(0)
        self.calibration_scores = np.sort(random.normal(2, 0.5, 199)).tolist()
        for number in range(images):
            self.add(
                HOSTILE if number == images - 2 else f"part {number:03d}.png", float(random.normal(2.3, 0.7))
            )
        self.records = [self.record(1, "bundle", 0.01, "")]

    def add(self, name: str, score: float, source: str = "api") -> dict[str, Any]:
        number = len(self.inspections) + 1
        rank = 1 + sum(one >= score for one in self.calibration_scores)
        one = {
            "id": number,
            "model": "parts",
            "name": name,
            "category": "",
            "source": source,
            "state": "done",
            "accepted_at": (START + timedelta(minutes=7 * number)).isoformat(),
            "scored_at": START.isoformat(),
            "score": score,
            "p_value": rank / 200,
            "is_anomalous": score > THRESHOLD,
            "threshold": THRESHOLD,
            "in_words": f"would be seen in {rank} of 200 good parts",
            "calibration_id": 1,
            "width": 128,
            "height": 96,
            "image": {"sha256": "ab" * 32, "url": f"/v1/inspections/{number}/image"},
            "map_url": f"/v1/inspections/{number}/map",
            "feedback": None,
            "error": None,
            "milliseconds": 12.5,
            "is_inspectable": True,
            "not_inspectable": None,
            "notice": None,
            "regions": [],
            "map_scale": {"low": 0.1, "high": 0.5, "threshold": 0.55},
        }
        self.inspections.append(one)
        return one

    def record(self, number: int, source: str, rate: float, reason: str) -> dict[str, Any]:
        scores = self.calibration_scores
        return {
            "id": number,
            "source": source,
            "created_at": START.isoformat(),
            "created_by": "loopback",
            "reason": reason,
            "parent_id": None,
            "active": True,
            "kind": "split",
            "false_alarm_rate": rate,
            "threshold": scores[-int(rate * 200)],
            "images": 199,
            "map_range": [0, 1],
            "promise": f"at most {100 * rate:.3g} % false alarms (a bound from 199 held-out good images)",
        }

    def change(self, source: str, rate: float, reason: str) -> dict[str, Any]:
        self.records.insert(0, self.record(len(self.records) + 1, source, rate, reason))
        for old in self.records[1:]:
            old["active"] = False
        return self.records[0]

    def with_verdict(self, verdict: str) -> list[dict[str, Any]]:
        return [
            each for each in self.inspections if each["feedback"] and each["feedback"]["verdict"] == verdict
        ]


def get(world: World, path: str, query: dict[str, str]) -> Any:
    """Answer a GET under /v1: a JSON value, or the bytes of a picture."""
    if match := re.fullmatch(r"/v1/inspections/(\d+)(?:/(image|thumbnail|map|regions/\d+))?", path):
        number = int(match[1])
        if query.get("format") == "f32":
            return np.linspace(0, 1, 12, dtype="<f4").tobytes()  # 4 columns, 3 rows
        kind = match[2] and ("map" if match[2] == "map" else "image")
        return picture(number, kind) if kind else world.inspections[number - 1]
    if re.search(r"/(frame|photos/\d+/(image|thumbnail))$", path):
        return picture(1, "image")
    if world.studio and (answer := world.studio.get(path, query, world.inspections[0])) is not None:
        return answer
    rate = float(query.get("rate", 0.01))
    return {
        "/v1/models": lambda: {"models": [model(world)]},
        "/v1/me": lambda: {"name": "ann", "role": world.role, "studio": world.studio is not None},
        "/v1/folders": lambda: {"folders": [{"name": "line 1", "model": "parts"}]},
        "/v1/inspections": lambda: page(world, query),
        "/v1/feedback/disagreements": lambda: page(world, {**query, "feedback": "disagree"}),
        "/v1/models/parts/health": lambda: health(world.inspections[0]),
        "/v1/models/parts/scores": lambda: scores(world),
        "/v1/models/parts/whatif": lambda: what_if(world, rate),
        "/v1/models/parts/calibrations": lambda: {"calibrations": world.records},
        "/v1/models/parts/drift": lambda: drift(int(query["window"])),
    }[path]()


def model(world: World) -> dict[str, Any]:
    return {
        "name": "parts",
        "method": "rd",
        "runtime": "torch",
        "teacher": "pocket",
        "calibration": world.records[0],
        "categories": [],
        "queue": {"length": 0, "limit": 256},
        "error": None,
        "drift": None,
        "would_find": "would find 9 of 10 (synthetic defects, not real ones): spots from 4 % (28 of 30)",
        "usable": world.usable,
        "looks_at": None,
        "reference_url": None,
        "reference_size": None,
    }


def page(world: World, query: dict[str, str]) -> dict[str, Any]:
    def fits(one: dict[str, Any]) -> bool:
        verdict = one["feedback"] and one["feedback"]["verdict"]
        decision = "anomalous" if one["is_anomalous"] else "good"
        disagrees = verdict == ("good" if one["is_anomalous"] else "defect")
        feedback = {"none": not verdict, "disagree": disagrees}.get(
            query.get("feedback", ""), verdict == query.get("feedback")
        )
        return (
            query.get("decision", decision) == decision
            and ("feedback" not in query or feedback)
            and query.get("name", "") in one["name"]
            and query.get("source", one["source"]) == one["source"]
        )

    key = {"received": "id"}.get(query.get("sort", "received"), query.get("sort", ""))
    descending = query.get("order", "desc") == "desc"
    fitting = sorted(filter(fits, world.inspections), key=lambda one: one[key], reverse=descending)
    places = [one["id"] for one in fitting]
    rest = fitting[1 + places.index(int(query["after"])) :] if "after" in query else fitting
    shown = rest[: int(query["limit"])]
    return {
        "inspections": shown,
        "next": shown[-1]["id"] if len(rest) > len(shown) else None,
        "total": len(fitting),
    }


def scores(world: World) -> dict[str, Any]:
    reviewed = {
        verdict: [one["score"] for one in world.with_verdict(verdict)] for verdict in ("good", "defect")
    }
    return {
        "calibration": world.calibration_scores,
        "recent": [one["score"] for one in world.inspections],
        **reviewed,
    }


def what_if(world: World, rate: float) -> dict[str, Any]:
    line = world.calibration_scores[-int(rate * 200 + 1e-9)]
    above = [one["score"] > line for one in world.inspections]
    changed = [
        one["id"] for one, now in zip(world.inspections, above, strict=True) if now != one["is_anomalous"]
    ]
    return {
        "rate": rate,
        "threshold": line,
        "anomalous_recent": sum(above),
        "recent": len(above),
        "changed": changed,
        "false_alarms_among_confirmed_good": sum(one["score"] > line for one in world.with_verdict("good")),
        "missed_among_confirmed_defects": sum(one["score"] <= line for one in world.with_verdict("defect")),
    }


def drift(size: int) -> dict[str, Any]:
    random = np.random.default_rng(size)
    medians = {"score": 2.0, "brightness": 100.0, "sharpness": 12.0}
    windows = [
        {
            "from": (START + timedelta(hours=hour)).isoformat(),
            "to": (START + timedelta(hours=hour + 1)).isoformat(),
            "first": 1 + size * hour,
            "last": size * (hour + 1),
            "count": size,
            "p_value": 0.0004 if hour == 11 else 0.4,
            "anomaly_share": 0.02 + 0.01 * (hour % 3),
            "anomaly_p_value": 0.6,
            "anomaly_share_flagged": 0.3,
            "score": {
                "p_value": 0.4,
                "median": float(random.normal(2, 0.1)),
                "reference": 2.0,
                "noticeable": 0.5,
            },
            "looks": {
                name: {
                    "p_value": 0.5,
                    "median": value
                    * float(random.normal(1.4 if name == "brightness" and hour == 11 else 1, 0.03)),
                    "reference": value,
                    "noticeable": None if name == "sharpness" else 0.2 * value,
                }
                for name, value in medians.items()
                if name != "score"
            },
            "alarmed": ["brightness"] if hour == 11 else [],
            "words": ["brighter than in calibration: median 140 instead of 100"] if hour == 11 else [],
        }
        for hour in range(12 if size < 200 else 0)
    ]
    return {
        "false_alarm_rate": 0.01,
        "window": size,
        "features": list(medians),
        "windows": windows,
        "not_inspectable": 0,
        "reference": {"count": 199, "medians": medians},
        "note": "",
        "verdict": {
            "state": "alarm" if windows else "waiting",
            "since": windows[-1]["first"] if windows else None,
            "text": "drift: brighter",
        },
    }


def post(world: World, path: str, body: dict[str, Any]) -> Any:
    world.sent.append((path, body))
    if world.studio and (answer := world.studio.post(path, body)) is not None:
        return answer
    if path == "/v1/feedback":
        feedback = {"verdict": body["verdict"], "comment": body["comment"], "by": "", "at": START.isoformat()}
        feedback["region"] = body.get("region")
        world.inspections[body["inspection_id"] - 1]["feedback"] = feedback
        return feedback
    if path.endswith("/rollback"):
        old = next(each for each in world.records if each["id"] == body["calibration_id"])
        return world.change("rollback", old["false_alarm_rate"], body["reason"])
    record = world.record(0, "rate", body["false_alarm_rate"], "")
    calibration = {name: record[name] for name in ("false_alarm_rate", "threshold", "promise")}
    warnings = ["Most images marked good had been flagged: that is a biased sample."]
    proposal = {
        "use": body["use"],
        "calibration": calibration,
        "images": 199,
        "confirmed": 0,
        "changed": 2,
        "recent": 40,
        "to_anomalous": [3],
        "to_good": [4],
        "warnings": warnings,
    }
    applied = None if body["dry_run"] else world.change("rate", body["false_alarm_rate"], body["reason"])
    return {"proposal": proposal, "calibration": applied}


def sent_names(body: bytes) -> list[str]:
    return [name.decode() for name in re.findall(rb'name="images"; filename="([^"]*)"', body)]


def score(world: World, body: bytes) -> list[dict[str, Any]]:
    names = sent_names(body)
    refused = {
        "code": "not_an_image",
        "message": "This is no image file; allowed: PNG, JPEG, TIFF, BMP, WebP.",
    }
    return [
        {"name": name, "error": refused}
        if name.endswith(".txt")
        else world.add(name, 4.2 if "bad" in name else 1.9)
        for name in names
    ]


class Handler(BaseHTTPRequestHandler):
    """Answers for the world that a subclass names."""

    world: World
    protocol_version = "HTTP/1.1"  # a connection is used again
    # Head and body are written separately: the second waited 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, status: int, data: bytes, kind: str, **more: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            "Content-Security-Policy": CSP,
            **more,
        }
        for name, value in {**headers, "X-Content-Type-Options": "nosniff"}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def json(self, value: Any, status: int = 200, **more: str) -> None:
        self.answer(status, json.dumps(value).encode(), "application/json", **more)

    def refused(self) -> bool:
        if self.world.token and self.headers.get("Authorization") != f"Bearer {self.world.token}":
            self.json(
                {
                    "error": {
                        "code": "token_unknown" if "Authorization" in self.headers else "token_needed",
                        "message": "No valid token came.",
                    }
                },
                401,
            )
            return True
        return False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if not url.path.startswith("/v1/"):
            file = (
                WEB / url.path.removeprefix("/static/").removeprefix("/")
                if url.path != "/"
                else WEB / "index.html"
            )
            self.answer(200, file.read_bytes(), TYPES[file.suffix])
        elif self.refused():
            return
        elif query.get("format") == "csv":
            self.world.sent.append((url.path, query))
            self.answer(200, b"id,name\r\n1,part\r\n", "text/csv")
        else:
            value = get(self.world, url.path, query)
            if isinstance(value, bytes):
                self.answer(200, value, "image/png", X_Map_Width="4", X_Map_Height="3")
            else:
                self.json(value)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.refused():
            return
        path = urlsplit(self.path).path
        if path == "/v1/score" and self.world.busy:
            self.world.busy -= 1
            self.json({"error": {"code": "busy", "message": "The queue is full."}}, 429, Retry_After="1")
        elif path == "/v1/score":
            self.json({"inspections": score(self.world, body)})
        elif path.endswith("/photos") and self.world.studio:
            role = parse_qs(urlsplit(self.path).query)["role"][0]
            self.json(self.world.studio.add(sent_names(body), role))
        else:
            self.json(post(self.world, path, json.loads(body or b"{}")))

    do_PUT = do_PATCH = do_POST

    def do_DELETE(self) -> None:
        url = urlsplit(self.path)
        self.world.sent.append((url.path, {key: values[0] for key, values in parse_qs(url.query).items()}))
        self.send_response(204)
        self.end_headers()


def serve_world(world: World) -> Iterator[str]:
    """Serve a world on a free port, for a fixture to yield the address from."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"world": world}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
