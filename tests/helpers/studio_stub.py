"""What the stub of `web_stub` answers as a studio: products with photos, a training and versions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

NOW = "2026-11-30T08:00:00+00:00"
FIGURES = {
    "good": 20,
    "defects": 8,
    "false_alarms": 1,
    "misses": 2,
    "image_auroc": 0.91,
    "promise": "at most 5 %",
}


@dataclass
class Studio:
    """The products of a stub; what was sent is kept by the world."""

    photos: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    sinks: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    job: dict[str, Any] | None = None
    ended: list[dict[str, Any]] = field(default_factory=list)
    active: int | None = None
    shadow: int | None = None
    region: dict[str, Any] | None = None

    def photo(self, name: str, role: str) -> dict[str, Any]:
        one = {"id": len(self.photos) + 1, "name": name, "role": role, "width": 128, "height": 96, "url": ""}
        self.photos.append({**one, "origin": "upload"})
        return self.photos[-1]

    def version(self, kind: str = "fit", *, worse: bool = False) -> dict[str, Any]:
        number = len(self.versions) + 1
        better = {**FIGURES, "false_alarms": 0, "misses": 3 if worse else 1}
        both = {"old": FIGURES, "new": better}
        comparison = {
            "worse": worse,
            "reasons": ["Misses 3 of 8 defects, not 2."] if worse else [],
            "kept": both,
        }
        rates = [{"rate": 0.05, "photos": 48, "more": 8}, {"rate": 0.01, "photos": 248, "more": 208}]
        self.versions.insert(
            0,
            {
                "number": number,
                "kind": kind,
                "parent": number - 1 or None,
                "created_at": NOW,
                "created_by": "ann",
                "method": "rd",
                "learnt": 24,
                "images": 16,
                "false_alarm_rate": 0.0588,
                "threshold": 0.8,
                "promise": "at most 5.88 % false alarms (a bound from 16 held-out good images)",
                "for_a_rate": rates,
                "would_find": "would find 9 of 10: spots from 4 %",
                "usable": True,
                "comparison": comparison if kind == "update" else None,
                "report_url": f"/v1/products/bolts/versions/{number}/report",
                "download_url": "",
                "exports": ["onnx-fp32"] if number == 1 else [],
            },
        )
        return self.versions[0]

    def product(self, name: str) -> dict[str, Any]:
        good = sum(one["role"] == "good" for one in self.photos)
        return {
            "name": name,
            "created_at": NOW,
            "created_by": "ann",
            "good": good,
            "defects": len(self.photos) - good,
            "enough": good >= 3,
            "advice": "Check the photos, then train a first version.",
            "active": self.active,
            "shadow": self.shadow,
            "versions": len(self.versions),
            "job": self.job,
            "region": self.region,
            "feedback": {"good": 3, "defect": 1, "unsure": 0, "false_alarms": 2},
        }

    def start(self, kind: str, minutes: float | None) -> dict[str, Any]:
        self.job = {
            "id": 7,
            "product": self.names[0],
            "kind": kind,
            "state": "running",
            "minutes": minutes,
            "created_at": NOW,
            "created_by": "ann",
            "started_at": NOW,
            "ended_at": None,
            "stage": "learns",
            "share": 0.25,
            "seconds_left": 45.0,
            "error": None,
            "version": 1,
        }
        return self.job

    def end(self, state: str = "done") -> None:
        """End the job; a training makes a version."""
        assert self.job is not None
        self.ended.insert(0, {**self.job, "state": state, "ended_at": NOW})
        self.job = None
        if state == "done":
            self.active = self.active or self.version()["number"]

    def get(self, path: str, query: dict[str, str], inspection: dict[str, Any]) -> Any:
        """Answer a GET, or return ``None``."""
        role = query.get("role")
        differ = [
            {
                "inspection": inspection,
                "other": {"score": 4.4, "threshold": 0.8, "p_value": 0.01, "is_anomalous": True},
            }
        ]
        answers: dict[str, Any] = {
            r"/v1/demo-products": lambda: {"names": ["brick", "coins"]},
            r"/v1/products": lambda: {"products": [self.product(name) for name in self.names]},
            r"/v1/products/[^/]+": lambda: self.product(self.names[0]),
            r"/v1/products/[^/]+/photos": lambda: {
                "photos": [one for one in reversed(self.photos) if role in (None, one["role"])],
                "next": None,
            },
            r"/v1/products/[^/]+/check": lambda: {
                "findings": [
                    {"kind": "too_few", "text": "There are 3 good photos.", "photos": []},
                    {"kind": "suspects", "text": "1 photo looks unlike the others.", "photos": [1]},
                ],
                "looked": 3,
            },
            r"/v1/products/[^/]+/jobs": lambda: {"jobs": [*([self.job] if self.job else []), *self.ended]},
            r"/v1/products/[^/]+/versions": lambda: {
                "versions": [
                    {**one, "active": one["number"] == self.active, "shadow": one["number"] == self.shadow}
                    for one in self.versions
                ]
            },
            r"/v1/products/[^/]+/shadow": lambda: {"version": self.shadow, "compared": 20, "differ": differ},
            r"/v1/models/[^/]+/sinks": lambda: {"sinks": self.sinks},
            r"/v1/models/[^/]+/sources": lambda: {"sources": self.sources},
            r"/v1/models/[^/]+/health": lambda: health(inspection) | ({} if self.active else STANDS),
        }
        return next((answer() for pattern, answer in answers.items() if re.fullmatch(pattern, path)), None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Answer a POST, PUT or PATCH, or return ``None``."""
        answers: dict[str, Any] = {
            r"/v1/products": lambda _: self.create(body),
            r"/v1/products/[^/]+/jobs": lambda _: self.start(body["kind"], body["minutes"]),
            r"/v1/products/[^/]+/versions/\d+/export": lambda _: self.start("export", None),
            r"/v1/jobs/7/(\w+)": self.ask,
            r"/v1/products/[^/]+/photos/(\d+)": lambda number: self.show(int(number), body["role"]),
            r"/v1/products/[^/]+/photos/from-inspections": lambda _: self.add(
                [f"inspected {number}.png" for number in body["inspection_ids"]], body["role"]
            ),
            r"/v1/products/[^/]+/versions/(\d+)/activate": lambda number: self.set(active=int(number)),
            r"/v1/products/[^/]+/shadow": lambda _: self.set(shadow=body["version"]),
            r"/v1/products/[^/]+/region": lambda _: self.set(region=body if any(body.values()) else None),
            r"/v1/models/[^/]+/sinks": lambda _: self.send_to(body),
            r"/v1/sinks/\d+/test": lambda _: {"sent": True, "error": None, "milliseconds": 12.3},
        }
        found = ((answer, re.fullmatch(pattern, path)) for pattern, answer in answers.items())
        return next((answer((*match.groups(), None)[0]) for answer, match in found if match), None)

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        self.names.append(body["name"])
        self.add([f"good {number}.png" for number in range(3 if body.get("demo") else 0)], "good")
        return self.product(body["name"])

    def ask(self, verb: str) -> dict[str, Any] | None:
        assert self.job is not None
        self.job["state"] = {"pause": "paused", "resume": "running"}.get(verb, "cancelled")
        return self.job

    def show(self, number: int, role: str) -> dict[str, Any]:
        self.photos[number - 1]["role"] = role
        return self.photos[number - 1]

    def set(self, **values: Any) -> dict[str, Any]:
        for name, value in values.items():
            setattr(self, name, value)
        return self.product(self.names[0])

    def send_to(self, body: dict[str, Any]) -> dict[str, Any]:
        self.sinks.append(sink(body))
        return self.sinks[-1]

    def add(self, names: list[str], role: str) -> dict[str, Any]:
        """Take uploaded photos; text files are refused."""
        refused = [
            {"name": name, "error": {"code": "not_an_image", "message": "This is no image file."}}
            for name in names
            if name.endswith(".txt")
        ]
        photos = [self.photo(name, role) for name in names if not name.endswith(".txt")]
        return {"photos": photos, "duplicates": [], "refused": refused}


def sink(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": 1,
        "model": "bolts",
        "kind": body["target"]["kind"],
        "address": "plant.local",
        "settings": body["target"],
        "secrets": [],
        "results": body["results"],
        "per_second": None,
        "enabled": True,
        "created_at": NOW,
        "created_by": "ann",
        "state": {
            "state": "failing",
            "waiting": 3,
            "given_up": 1,
            "oldest": NOW,
            "last_sent_at": None,
            "error": "connection refused",
            "next_attempt_at": NOW,
        },
    }


def source() -> dict[str, Any]:
    return {
        "id": 1,
        "model": "bolts",
        "name": "camera left",
        "kind": "usb",
        "settings": {"device": 0},
        "secrets": [],
        "category": "",
        "interval": 2,
        "paused": False,
        "created_at": NOW,
        "created_by": "ann",
        "state": {
            "state": "running",
            "last_frame_at": NOW,
            "last_image_at": NOW,
            "error": None,
            "width": 640,
            "height": 480,
        },
    }


STANDS: dict[str, Any] = {
    "light": "red",
    "reasons": ["there is no version yet"],
    "is_inspecting": False,
    "since": None,
    "version": None,
    "queue": None,
    "last_image": None,
}
"""The health of a product without a version."""


def health(inspection: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": "bolts",
        "light": "yellow",
        "reasons": ["a target does not answer"],
        "is_inspecting": True,
        "since": NOW,
        "version": {
            "number": 1,
            "weights_sha256": "ab",
            "calibration_id": 1,
            "method": "rd",
            "runtime": "torch",
        },
        "last_image": {"inspection_id": 1, "name": inspection["name"], "scored_at": NOW, "verdict": "good"},
        "queue": {"length": 0, "limit": 256},
        "sinks": [],
        "sources": [],
    }
