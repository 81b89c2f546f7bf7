"""Sources over HTTP: folders and cameras that are added while the server runs, a live view, a trigger, the health."""

from __future__ import annotations

import io
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from drawn_parts import blemish, stripes, write_image
from receivers import until
from serving import Site, code, good, site
from twinspect.serve.http.tokens import add_token
from twinspect.serve.sources import frames
from twinspect.serve.sources.frames import FrameReader
from twinspect.serve.sources.origins import RtspOrigin, read_origin
from twinspect.serve.sources.running_sources import RunningSources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCES = "/v1/models/parts/sources"
TRIGGER = "/v1/models/parts/trigger"


class Cameras:
    """Cameras by address; each delivers what it sees, as often as it is asked, a hundred times a second."""

    def __init__(self) -> None:
        self.sees: dict[str, Any] = {}
        self.opened: list[str] = []
        self.released: list[str] = []

    def __call__(self, address: str) -> Any:
        self.opened.append(address)
        return Capture(self, address)


class Capture:
    """Reads as cv2.VideoCapture does."""

    def __init__(self, cameras: Cameras, address: str) -> None:
        self.cameras, self.address = cameras, address

    def read(self) -> tuple[bool, Any]:
        time.sleep(0.01)
        pixels = self.cameras.sees.get(self.address)
        return pixels is not None, None if pixels is None else pixels[..., ::-1]

    def release(self) -> None:
        self.cameras.released.append(self.address)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("line")


@pytest.fixture(scope="module")
def server(bundle: Path, folder: Path) -> Iterator[Site]:
    (folder / "in").mkdir()
    with site(bundle, folder / "data", allowed_folders=(folder / "in",)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "RETRY_SECONDS", 0.02)


@pytest.fixture
def cameras(server: Site) -> Iterator[Cameras]:
    """Cameras of the server, which are removed afterwards."""
    made = Cameras()
    server.context.sources.opener = made
    yield made
    for source in server.client.get(SOURCES).json()["sources"]:
        assert server.client.delete(f"/v1/sources/{source['id']}").status_code == 204


def add(server: Site, origin: dict[str, Any], **rest: Any) -> Any:
    answer = server.client.post(SOURCES, json={"name": "left", "origin": origin, **rest})
    assert answer.status_code == 201, answer.text
    return answer.json()


def state(server: Site, number: int) -> dict[str, Any]:
    (source,) = [each for each in server.client.get(SOURCES).json()["sources"] if each["id"] == number]
    answer: dict[str, Any] = source["state"]
    return answer


def images(server: Site, name: str) -> list[dict[str, Any]]:
    rows = server.client.get("/v1/inspections", params={"name": name}).json()["inspections"]
    return [row for row in rows if row["state"] == "done"]


# Cameras ---------------------------------------------------------------------------------------------------------


def test_a_trigger_takes_a_frame_now_and_answers_with_the_decision(server: Site, cameras: Cameras) -> None:
    cameras.sees["0"] = stripes(1)
    source = add(server, {"kind": "usb"})
    assert (source["interval"], source["settings"]) == (None, {"device": 0})
    until(lambda: state(server, source["id"])["state"] == "triggered")
    cameras.sees["0"] = blemish(stripes(2))
    row = server.client.post(TRIGGER, json={}).json()
    assert (row["state"], row["source"], row["model"]) == ("done", "watch", "parts")
    assert row["name"].startswith("left 2")
    shown = server.client.get(row["image"]["url"]).content
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(shown))), blemish(stripes(2)))
    (again,) = server.scored(shown)
    assert again["score"] == pytest.approx(row["score"], rel=1e-5)
    seen = state(server, source["id"])
    assert (seen["width"], seen["height"], seen["error"]) == (*stripes(1).shape[1::-1], None)
    assert seen["last_image_at"] <= seen["last_frame_at"]


def test_a_camera_with_an_interval_is_inspected_by_itself_until_it_is_paused(
    server: Site, cameras: Cameras
) -> None:
    cameras.sees["rtsp://me:p%40w@plant/1"] = stripes(3)
    origin = {"kind": "rtsp", "url": "rtsp://plant/1", "user": "me", "password": "p@w"}
    source = add(server, origin, name="by itself", interval=0.05)
    assert (source["secrets"], source["settings"]) == (["password"], {"url": "rtsp://plant/1", "user": "me"})
    until(lambda: len(images(server, "by itself")) >= 2)
    assert state(server, source["id"])["state"] == "running"
    paused = server.client.patch(f"/v1/sources/{source['id']}", json={"paused": True}).json()
    assert (paused["state"]["state"], paused["interval"]) == ("paused", 0.05)
    assert cameras.released == cameras.opened == ["rtsp://me:p%40w@plant/1"]
    assert code(server.client.post(TRIGGER, json={})) == (409, "no_camera")
    changed = {"kind": "rtsp", "url": "rtsp://plant/2", "user": "me"}
    server.client.patch(f"/v1/sources/{source['id']}", json={"paused": False, "origin": changed})
    until(lambda: "rtsp://me:p%40w@plant/2" in cameras.opened)  # the password stayed


def test_two_cameras_are_told_apart(server: Site, cameras: Cameras) -> None:
    cameras.sees = {"0": stripes(4), "1": stripes(5)}
    first, second = (add(server, {"kind": "usb", "device": n}, name=f"camera {n}") for n in (0, 1))
    answer = server.client.post(TRIGGER, json={})
    assert code(answer) == (409, "no_camera")
    assert f"{first['id']} (camera 0), {second['id']} (camera 1)" in answer.json()["error"]["message"]
    row = server.client.post(TRIGGER, json={"source": second["id"]}).json()
    assert row["name"].startswith("camera 1 ")


def test_the_live_view_shows_the_newest_frame_and_stores_nothing(server: Site, cameras: Cameras) -> None:
    cameras.sees["0"] = stripes(6)
    source = add(server, {"kind": "usb"})
    before = server.client.get("/v1/inspections").json()["total"]
    frame = server.client.get(f"/v1/sources/{source['id']}/frame?format=png")
    assert frame.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(frame.content))), stripes(6))
    small = server.client.get(f"/v1/sources/{source['id']}/frame?side=24")
    picture = Image.open(io.BytesIO(small.content))
    assert (picture.format, max(picture.size)) == ("JPEG", 24)
    assert server.client.get("/v1/inspections").json()["total"] == before


def test_a_camera_that_fails_says_so_and_is_opened_again(
    server: Site, cameras: Cameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = add(server, {"kind": "usb"})
    until(lambda: state(server, source["id"])["error"] == "the camera delivers no image")
    monkeypatch.setattr(FrameReader.next, "__defaults__", (0.1,))
    answer = server.client.post(TRIGGER, json={})
    assert code(answer) == (503, "camera_failed")
    assert server.client.get(f"/v1/sources/{source['id']}/frame").status_code == 503
    health = server.client.get("/v1/models/parts/health").json()
    assert (health["light"], health["reasons"]) == ("yellow", ["left: the camera delivers no image"])
    cameras.sees["0"] = stripes(7)
    until(lambda: state(server, source["id"])["state"] == "triggered")
    assert len(cameras.opened) >= 2


def test_a_frame_in_a_buffer_is_not_taken_for_one_of_now() -> None:
    begin, counts = threading.Event(), iter(range(1000))

    class Slow:
        def read(self) -> tuple[bool, Any]:
            number = next(counts)
            if number == 1:
                begin.set()
            time.sleep(0.05)
            return True, np.full((4, 4, 3), number, dtype=np.uint8)

        def release(self) -> None:
            pass

    reader = FrameReader("slow", "0", lambda _: Slow())
    begin.wait(10)  # frame 1 is being read: it may show what was before
    frame = reader.next()
    assert frame is not None
    assert frame.pixels[0, 0, 0] >= 2
    reader.close()


def test_a_video_is_read_by_opencv(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = str(tmp_path / "line.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for level in (50, 100, 150):
        writer.write(np.full((48, 64, 3), (0, 0, level), dtype=np.uint8))  # BGR: red
    writer.release()
    reader = FrameReader("video", path)
    frame = reader.next()
    assert frame is not None
    red, green, blue = frame.pixels.mean(axis=(0, 1))
    assert red > 30 > max(green, blue)
    reader.close()


# Folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_is_inspected_from_when_it_is_added(server: Site, cameras: Cameras, folder: Path) -> None:
    (folder / "in" / "a").mkdir()
    source = add(server, {"kind": "folder", "path": str(folder / "in" / "a")}, name="folder", interval=0.05)
    write_image(folder / "in" / "a" / "arrived.png", stripes(8))
    (row,) = until(lambda: images(server, "arrived.png"))
    assert row["source"] == "watch"
    until(lambda: state(server, source["id"])["last_image_at"])
    assert state(server, source["id"])["state"] == "running"
    assert code(server.client.get(f"/v1/sources/{source['id']}/frame")) == (409, "no_camera")
    sink = {"target": {"kind": "folder", "path": str(folder / "in" / "a" / "results")}}
    assert code(server.client.post("/v1/models/parts/sinks", json=sink)) == (409, "conflict")
    for path in (folder, folder / "in" / "none"):
        answer = server.client.post(
            SOURCES, json={"name": "x", "origin": {"kind": "folder", "path": str(path)}}
        )
        assert answer.status_code in (403, 422)


# What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"kind": "rtsp", "url": "rtsp://me:pw@plant/1"}, "with user and password apart"),
        ({"kind": "rtsp", "url": "file:///etc/passwd"}, "give rtsp://HOST/STREAM"),
        ({"kind": "usb", "device": -1}, "greater than or equal to 0"),
        ({"kind": "camera"}, "does not match any of the expected tags"),
    ],
)
def test_origins_that_cannot_work_are_refused(server: Site, origin: dict[str, Any], message: str) -> None:
    answer = server.client.post(SOURCES, json={"name": "x", "origin": origin})
    assert code(answer) == (422, "invalid_request")
    assert message in answer.json()["error"]["message"]


def test_without_opencv_no_camera_can_be_added(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.context.sources, "opener", frames.open_capture)
    monkeypatch.setitem(sys.modules, "cv2", None)
    answer = server.client.post(SOURCES, json={"name": "x", "origin": {"kind": "usb"}})
    assert code(answer) == (501, "not_installed")
    assert "pip install opencv-python-headless" in answer.json()["error"]["message"]


def test_what_is_not_there_is_named(server: Site, cameras: Cameras) -> None:
    cameras.sees["0"] = stripes(1)
    assert code(server.client.post(TRIGGER, json={})) == (409, "no_camera")
    assert code(server.client.post(TRIGGER, json={"source": 999})) == (404, "unknown_source")
    assert code(server.client.get("/v1/sources/999/frame")) == (404, "unknown_source")
    assert code(server.client.patch("/v1/sources/999", json={})) == (404, "unknown_source")
    assert code(server.client.get("/v1/models/none/health")) == (404, "unknown_model")
    asked = {"name": "x", "origin": {"kind": "usb"}, "category": "screw"}
    assert code(server.client.post(SOURCES, json=asked)) == (422, "unknown_category")
    source = add(server, {"kind": "usb"})
    change = {"origin": {"kind": "rtsp", "url": "rtsp://plant"}}
    assert code(server.client.patch(f"/v1/sources/{source['id']}", json=change)) == (422, "invalid_request")


def test_addresses_are_made_of_their_parts() -> None:
    origin = read_origin("rtsp", {"url": "rtsp://plant:554/a?b", "user": "a:b", "password": "c/d@"})
    assert isinstance(origin, RtspOrigin)
    assert origin.address == "rtsp://a%3Ab:c%2Fd%40@plant:554/a?b"


# Roles, restarts, health -----------------------------------------------------------------------------------------


def test_sources_outlive_a_restart_and_only_admins_are_told_where_they_are(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = {
        role: add_token(tmp_path / "tokens", f"{role}er:{role}") for role in ("admin", "view", "inspect")
    }
    cameras = Cameras()
    monkeypatch.setattr("twinspect.serve.server.RunningSources", partial(RunningSources, opener=cameras))
    for start in range(2):
        with site(bundle, tmp_path / "data", token_file=tmp_path / "tokens") as server:
            server.client.headers["Authorization"] = f"Bearer {tokens['admin']}"
            if not start:
                add(server, {"kind": "rtsp", "url": "rtsp://plant/secret", "password": "pw"})
            until(lambda server=server: state(server, 1)["error"])
            server.client.headers["Authorization"] = f"Bearer {tokens['view']}"
            (source,) = server.client.get(SOURCES).json()["sources"]
            assert (source["settings"], source["state"]["error"]) == (
                None,
                "it failed; the role admin is told why",
            )
            assert code(server.client.post(TRIGGER, json={})) == (403, "role_too_low")
            server.client.headers["Authorization"] = f"Bearer {tokens['inspect']}"
            assert code(server.client.delete("/v1/sources/1")) == (403, "role_too_low")
            assert code(server.client.patch("/v1/sources/1", json={})) == (403, "role_too_low")


def test_the_health_light_says_since_when_by_what_and_what_came_last(server: Site) -> None:
    (row,) = server.scored(good(9))
    health = server.client.get("/v1/models/parts/health").json()
    version = server.worker.version
    assert (health["light"], health["reasons"], health["is_inspecting"]) == ("green", [], True)
    assert health["since"] == version.loaded_at.isoformat().replace("+00:00", "Z")
    assert health["version"] == {
        "number": None,
        "weights_sha256": version.weights_sha256,
        "calibration_id": server.worker.active.id,
        "method": "mkd",
        "runtime": "torch",
    }
    last = health["last_image"]
    verdict = "anomalous" if row["is_anomalous"] else "good"
    assert (last["inspection_id"], last["name"], last["verdict"]) == (row["id"], "0.png", verdict)
    assert health["queue"] == {"length": 0, "limit": 256}
    assert (health["sinks"], health["sources"]) == ([], [])


def test_the_health_light_turns_with_what_goes_wrong(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    target = {"kind": "webhook", "url": "http://127.0.0.1:9/x"}
    sink = server.client.post("/v1/models/parts/sinks", json={"target": target}).json()["id"]
    server.scored(good(10))
    light = until(lambda: (h := server.client.get("/v1/models/parts/health").json())["reasons"] and h)
    assert light["light"] == "yellow"
    assert light["reasons"][0].startswith("webhook 127.0.0.1:9: ")
    assert light["reasons"][0].endswith("; 1 results wait")
    server.client.post(f"/v1/sinks/{sink}/give_up", json={})
    reasons = server.client.get("/v1/models/parts/health").json()["reasons"]
    assert "webhook 127.0.0.1:9: 1 results were given up" in reasons
    server.client.delete(f"/v1/sinks/{sink}")
    monkeypatch.setattr(server.worker, "error", "it is damaged")
    assert server.client.get("/v1/models/parts/health").json()["reasons"] == [
        "the newest version of the model cannot be loaded; an older one scores"
    ]
    monkeypatch.setattr(server.context, "stopping", True)
    health = server.client.get("/v1/models/parts/health").json()
    assert (health["light"], health["is_inspecting"]) == ("red", False)
