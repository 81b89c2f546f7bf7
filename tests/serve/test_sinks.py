"""Sinks: whatever the receiver does, each result arrives, signed, and nothing of it is lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("fastapi")

from receivers import broker, free_port, mosquitto, until, web_receiver
from store_data import calibration, inspect, register
from twinspect.errors import NotStoredError
from twinspect.serve.sinks.delivering import Composer, Delivering
from twinspect.serve.sinks.sender import GIVE_UP_AFTER, Backoff, Sender
from twinspect.serve.sinks.targets import read_target
from twinspect.serve.store import Store
from twinspect.serve.store.outbox import CLAIM_SECONDS, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twinspect.serve.store import InspectionRow
    from twinspect.serve.store.line_records import SinkRow

SECRET = "a secret of the plant"
QUICKLY = Backoff(first=0.01, most=0.05)


class Pictures:
    """A picture for every inspection, and no map of the third."""

    def image(self, row: InspectionRow) -> bytes:
        return b"image of %d" % row.id

    def overlay(self, row: InspectionRow) -> bytes:
        if row.id == 3:
            raise NotStoredError("the model was changed")
        return b"map of %d" % row.id


class Line:
    """A store with a product, and what delivers its results."""

    def __init__(self, store: Store) -> None:
        self.store, self.model = store, register(store)
        composer = Composer(store, lambda _: calibration(), "https://plant.local", lambda _model, _weights: 3)
        self.delivering = Delivering(store, composer, Pictures(), QUICKLY)
        self.outbox = self.delivering.outbox

    def add(self, target: dict[str, Any], **changes: Any) -> SinkRow:
        read = read_target(target.pop("kind"), target)
        values = {"settings": read.settings(), "secrets": read.secrets(), "results": "all", "enabled": True}
        values |= {"model": "bottle", "kind": read.kind, "per_second": None, **changes}
        row = self.delivering.sinks.add("ann", **values)
        self.delivering.refresh()
        return row

    def inspect(self, *scores: float, start: int = 0) -> list[InspectionRow]:
        rows = inspect(self.store, self.model, scores, start)
        self.delivering.wake("bottle")
        return rows

    def wait_for(self, row: SinkRow) -> None:
        until(lambda: self.outbox.state(row.id).waiting == 0)


@contextmanager
def line(folder: Path) -> Iterator[Line]:
    with Store(None, folder) as store:
        opened = Line(store)
        try:
            yield opened
        finally:
            opened.delivering.stop()


# Webhooks -------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_each_result_signed_and_described(tmp_path: Path) -> None:
    with line(tmp_path) as at, web_receiver() as received:
        target = {"kind": "webhook", "url": f"{received.url}/a%20b?c=d", "secret": SECRET}
        sink = at.add({**target, "authorization": "Bearer me"})
        (row,) = at.inspect(99.0)
        at.wait_for(sink)
        ((headers, body),) = received.taken
    (delivery,) = at.outbox.read(sink.id)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert (headers["webhook-id"], headers["twinspect-attempt"]) == (delivery.uuid, "1")
    assert (headers["content-type"], headers["authorization"]) == ("application/json", "Bearer me")
    assert set(sink.secrets) == {"secret", "authorization"}
    assert row.scored_at is not None
    assert json.loads(body) == {
        "format": 1,
        "delivery": delivery.uuid,
        "product": "bottle",
        "version": 3,
        "weights_sha256": "a" * 64,
        "inspection": row.id,
        "image": "part 0.png",
        "category": "",
        "verdict": "anomalous",
        "reason": None,
        "notice": None,
        "score": 99.0,
        "threshold": calibration().threshold,
        "p_value": 0.01,
        "regions": None,
        "accepted_at": row.accepted_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "scored_at": row.scored_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "milliseconds": 12.5,
        "url": f"https://plant.local/v1/inspections/{row.id}",
    }


def test_a_receiver_that_fails_half_of_the_time_gets_everything_once(tmp_path: Path) -> None:
    answers = (200, 500, 0, 200, 429, 200, 302, 200)
    with line(tmp_path) as at, web_receiver(lambda count: answers[count % len(answers)]) as received:
        sink = at.add({"kind": "webhook", "url": received.url})
        rows = at.inspect(*[0.1] * 16)
        at.wait_for(sink)
    assert sorted(json.loads(body)["inspection"] for _, body in received.taken) == [row.id for row in rows]
    assert len(received.requests) >= 26
    uuids = {delivery.inspection_id: delivery.uuid for delivery in at.outbox.read(sink.id)}
    attempts: dict[str, list[int]] = {}
    for headers, body, _ in received.requests:
        assert "webhook-signature" not in headers
        assert uuids[json.loads(body)["inspection"]] == headers["webhook-id"]
        attempts.setdefault(headers["webhook-id"], []).append(int(headers["twinspect-attempt"]))
    assert all(counts == list(range(1, len(counts) + 1)) for counts in attempts.values())


def test_while_nobody_answers_results_wait_in_their_order(tmp_path: Path) -> None:
    with line(tmp_path) as at:
        port = free_port()
        sink = at.add({"kind": "webhook", "url": f"http://127.0.0.1:{port}"})
        at.inspect(0.1, 0.2, 0.3)
        until(lambda: "refused" in str(at.delivering.error(sink.id)))
        state = at.outbox.state(sink.id)
        assert (state.waiting, state.given_up) == (3, 0)
        with web_receiver() as received:
            read = read_target("webhook", {"url": received.url})
            at.delivering.sinks.change("ann", sink.id, settings=read.settings())
            at.delivering.refresh()  # another address counts at once
            at.wait_for(sink)
        assert [json.loads(body)["score"] for _, body in received.taken] == [0.1, 0.2, 0.3]
        until(lambda: at.delivering.error(sink.id) is None)


def test_one_that_is_refused_keeps_no_other_back(tmp_path: Path) -> None:
    with line(tmp_path) as at, web_receiver(lambda count: 400 if count == 0 else 200) as received:
        sink = at.add({"kind": "webhook", "url": received.url})
        first, *others = at.inspect(0.1, 0.2, 0.3)
        at.wait_for(sink)
    order = [json.loads(body)["inspection"] for _, body in received.taken]
    assert sorted(order) == [first.id, *(row.id for row in others)]


def test_what_is_tried_for_a_week_is_given_up_and_can_be_sent_again(tmp_path: Path) -> None:
    with line(tmp_path) as at, web_receiver(lambda count: 500 if count == 0 else 200) as received:
        at.inspect(0.1)
        at.store.now = lambda: datetime.now(timezone.utc) - GIVE_UP_AFTER - timedelta(minutes=1)
        sink = at.add({"kind": "webhook", "url": received.url}, enabled=False)
        at.delivering.sinks.change("ann", sink.id, enabled=True)
        at.inspect(0.2, start=1)
        at.store.now = lambda: datetime.now(timezone.utc)
        at.delivering.refresh()
        until(lambda: at.outbox.state(sink.id).given_up == 1)
        (given_up,) = at.outbox.read(sink.id)
        assert (given_up.error, given_up.attempts) == ("the answer is 500 Internal Server Error", 1)
        assert at.outbox.send_again(sink.id) == 1
        at.delivering.wake("bottle")
        at.wait_for(sink)
    assert [headers["webhook-id"] for headers, _ in received.taken] == [given_up.uuid]


def test_no_more_a_second_than_wanted(tmp_path: Path) -> None:
    with line(tmp_path) as at, web_receiver() as received:
        sink = at.add({"kind": "webhook", "url": received.url}, per_second=20)
        at.inspect(*[0.1] * 6)
        began = time.monotonic()
        at.wait_for(sink)
        assert time.monotonic() - began >= 5 / 20 - 0.05
        assert len(received.taken) == 6


def kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(folder: Path, moment: str) -> None:
    """Score an image in a process that is killed at a moment, and never comes back."""
    process = os.fork()
    if not process:
        try:
            Sender._attempt = kill if moment == "begun" else Sender._attempt  # type: ignore[method-assign]
            Outbox.mark_sent = kill if moment == "arrived" else Outbox.mark_sent  # type: ignore[method-assign]
            with line(folder) as at:
                at.inspect(0.1)
                if moment == "finished":
                    kill()
                at.delivering.refresh()
                time.sleep(30)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes, which is POSIX")
@pytest.mark.parametrize(("moment", "attempts"), [("finished", [1]), ("begun", [2]), ("arrived", [1, 2])])
def test_a_server_that_is_killed_loses_no_delivery(tmp_path: Path, moment: str, attempts: list[int]) -> None:
    with web_receiver() as received:
        with line(tmp_path) as at:
            sink = at.add({"kind": "webhook", "url": received.url})
            at.delivering.stop()
        killed(tmp_path, moment)
        with line(tmp_path) as at:
            at.store.now = lambda: datetime.now(timezone.utc) + timedelta(seconds=CLAIM_SECONDS)
            at.delivering.refresh()
            at.wait_for(sink)
    assert [int(headers["twinspect-attempt"]) for headers, _ in received.taken] == attempts
    assert len({headers["webhook-id"] for headers, _ in received.taken}) == 1
    assert len({body for _, body in received.taken}) == 1


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    made = folder / "cert.pem", folder / "key.pem"
    names = ["-subj", "/CN=plant", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    files = ["-out", str(made[0]), "-keyout", str(made[1])]
    try:
        subprocess.run(["openssl", *kind, *names, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return made


def test_a_receiver_is_verified_by_the_plants_own_authority_or_not_at_all(tmp_path: Path) -> None:
    made = certificate(tmp_path)
    with line(tmp_path / "data") as at, web_receiver(tls=made) as received:
        own = {"url": received.url, "ca_certificate": made[0].read_text()}
        assert at.delivering.test("bottle", read_target("webhook", own))[0] is None
        unknown = at.delivering.test("bottle", read_target("webhook", {"url": received.url}))[0]
        assert "certificate verify failed" in str(unknown)
        elsewhere = own | {"url": received.url.replace("127.0.0.1", "localhost")}
        assert "Hostname mismatch" in str(at.delivering.test("bottle", read_target("webhook", elsewhere))[0])
    assert len(received.taken) == 1


def test_a_test_is_sent_beside_the_outbox(tmp_path: Path) -> None:
    with line(tmp_path) as at, web_receiver(lambda count: (200, 404)[count]) as received:
        target = read_target("webhook", {"url": received.url})
        error, milliseconds = at.delivering.test("bottle", target)
        assert (error, milliseconds > 0) == (None, True)
        assert at.delivering.test("bottle", target)[0] == "the answer is 404 Not Found"
    record = json.loads(received.taken[0][1])
    assert (record["test"], record["product"], record["inspection"]) == (True, "bottle", None)


def test_what_can_be_delivered_is_delivered_before_the_server_stops(tmp_path: Path) -> None:
    with line(tmp_path) as at, web_receiver() as received:
        at.add({"kind": "webhook", "url": received.url}, per_second=50)
        at.inspect(*[0.1] * 8)
        at.delivering.stop()
        assert len(received.taken) == 8


# MQTT ------------------------------------------------------------------------------------------------------------


class Subscriber:
    """A client that keeps what is published."""

    def __init__(self, port: int, **tls: str) -> None:
        mqtt = pytest.importorskip("paho.mqtt.client")
        self.messages: list[tuple[str, bytes, bool]] = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        subscribed: list[int] = []
        self.client.on_message = lambda *a: self.messages.append((a[2].topic, a[2].payload, a[2].retain))
        self.client.on_subscribe = lambda *_: subscribed.append(1)
        if tls:
            self.client.tls_set(**tls)
            self.client.username_pw_set("line", "secret of the line")
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe("#", qos=1)
        until(lambda: subscribed)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def of(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in list(self.messages) if name == topic]


def test_a_broker_gets_each_result_and_whether_the_server_is_there(tmp_path: Path) -> None:
    with broker(tmp_path, "allow_anonymous true") as port, line(tmp_path / "data") as at:
        reader = Subscriber(port)
        target = {"kind": "mqtt", "host": "127.0.0.1", "port": port, "tls": False}
        sink = at.add({**target, "topic": "plant/{product}/{verdict}"})
        rows = at.inspect(0.1, 99.0)
        at.wait_for(sink)
        until(lambda: len(reader.messages) >= 3)
        assert json.loads(reader.of("plant/bottle/good")[0])["inspection"] == rows[0].id
        assert json.loads(reader.of("plant/bottle/anomalous")[0])["inspection"] == rows[1].id
        late = Subscriber(port)
        until(lambda: late.messages)
        assert late.messages == [("twinspect/bottle/status", b"online", True)]
        at.delivering.stop()
        until(lambda: late.of("twinspect/bottle/status") == [b"online", b"offline"])
        for client in (reader, late):
            client.close()


def test_a_broker_that_was_away_gets_what_waited(tmp_path: Path) -> None:
    port = free_port()
    mosquitto()
    pytest.importorskip("paho.mqtt.client")
    with line(tmp_path / "data") as at:
        sink = at.add({"kind": "mqtt", "host": "127.0.0.1", "port": port, "tls": False, "timeout": 1})
        at.inspect(0.1)
        until(lambda: at.delivering.error(sink.id))
        for _ in range(2):
            with broker(tmp_path, "allow_anonymous true", port=port):
                reader = Subscriber(port)
                at.inspect(0.2, start=int(time.monotonic() * 1e6))
                at.wait_for(sink)
                until(partial(reader.of, "twinspect/bottle/status"))
                reader.close()
            until(lambda: at.delivering.error(sink.id))
        assert at.outbox.state(sink.id).waiting == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves a socket open
def test_a_broker_over_tls_and_who_is_not_the_broker(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    cert, key = certificate(tmp_path)
    passwords = tmp_path / "passwords"
    program = mosquitto().removesuffix("mosquitto") + "mosquitto_passwd"
    for at in (program, "mosquitto_passwd"):
        try:
            subprocess.run([at, "-b", "-c", str(passwords), "line", "secret of the line"], check=True)
            break
        except FileNotFoundError:
            continue
    passwords.chmod(0o644)
    key.chmod(0o644)
    lines = [f"certfile {cert}", f"keyfile {key}", f"password_file {passwords}", "user root"]
    with broker(tmp_path, *lines) as port, line(tmp_path / "data") as at:
        common = {"host": "127.0.0.1", "port": port, "user": "line", "password": "secret of the line"}
        trusted = {**common, "ca_certificate": cert.read_text()}
        sink = at.add({"kind": "mqtt", **trusted})
        at.inspect(0.1)
        at.wait_for(sink)
        assert "password" not in sink.settings
        unknown = at.delivering.test("bottle", read_target("mqtt", common))[0]
        assert "certificate verify failed" in str(unknown)
        refused = at.delivering.test("bottle", read_target("mqtt", {**trusted, "password": "none"}))[0]
        assert str(refused).startswith("the broker refuses: Not authorized")


# Folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_gets_a_file_for_each_result_and_its_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "bottle"
    with line(tmp_path / "data") as at:
        sink = at.add({"kind": "folder", "path": str(folder), "image": True, "overlay": True})
        rows = at.inspect(0.1, 0.2, 99.0)
        at.wait_for(sink)
    assert rows[0].scored_at is not None
    day = rows[0].scored_at.strftime("%Y-%m-%d")
    record = json.loads((folder / day / "1.json").read_text(encoding="utf-8"))
    assert (record["inspection"], record["verdict"]) == (1, "good")
    assert (folder / record["image_file"]).read_bytes() == b"image of 1"
    assert (folder / record["overlay_file"]).read_bytes() == b"map of 1"
    assert json.loads((folder / day / "3.json").read_text(encoding="utf-8"))["overlay_file"] is None
    assert sorted(path.name for path in (folder / day).iterdir()) == [
        *("1.json", "1.png", "1_map.png", "2.json", "2.png", "2_map.png", "3.json", "3.png")
    ]


def test_a_folder_that_cannot_be_written_to_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file is in the way")
    with line(tmp_path / "data") as at:
        sink = at.add({"kind": "folder", "path": str(tmp_path / "results")})
        at.inspect(0.1)
        until(lambda: at.delivering.error(sink.id))
        (tmp_path / "results").unlink()
        at.wait_for(sink)
        until(lambda: at.delivering.error(sink.id) is None)


# Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("webhook", {"url": "ftp://plant/x"}, "give https://HOST/PATH"),
        ("webhook", {"url": "https://me:pw@plant/x"}, "without user, password"),
        ("webhook", {"url": "https://plant/ä"}, "as %XX"),
        ("webhook", {"url": "https://plant", "secret": "short"}, "at least 16 characters"),
        ("webhook", {"url": "https://plant", "authorization": "a\r\nb: c"}, "match pattern"),
        ("webhook", {"url": "https://plant", "ca_certificate": "none"}, "begins with -----BEGIN CERTIFICATE"),
        ("mqtt", {"host": "plant", "topic": "a/{weights}"}, "in braces only product, verdict, category"),
        ("mqtt", {"host": "plant", "topic": "a/#"}, "are not allowed"),
        ("mqtt", {"host": "plant", "topic": "{"}, "in braces only"),
        ("mqtt", {"host": "a b"}, "match pattern"),
        ("folder", {}, "Field required"),
    ],
)
def test_settings_that_cannot_work_are_refused(kind: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_target(kind, values)


def test_waits_double_up_to_a_limit_and_differ() -> None:
    backoff = Backoff(first=1, most=60)
    for failures, most in ((1, 1), (2, 2), (5, 16), (50, 60), (5000, 60)):
        tried = {backoff.seconds(failures) for _ in range(20)}
        assert all(most / 2 <= seconds <= most for seconds in tried)
        assert len(tried) > 1
