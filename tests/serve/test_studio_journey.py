"""The whole way on the page, with real photographs, trainings, a web receiver and an MQTT broker."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browsing import launched, opened
from receivers import Received, broker, until, web_receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

mqtt = pytest.importorskip("paho.mqtt.client", reason="this needs: pip install 'twinspect[line]'")
COOKIES = Path(__file__).parents[3] / "shared" / "data" / "cookies"
MINUTES = 15 * 60_000
"""Milliseconds that a training may take here, on a busy machine."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@contextmanager
def studio(data: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "twinspect", "studio", str(data), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            address = next(
                line.split(" at ")[1].split()[0] for line in server.stderr if " at http://" in line
            )
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield address
        finally:
            server.terminate()
            server.wait(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@contextmanager
def listener(port: int, topics: str) -> Iterator[list[tuple[str, str]]]:
    heard: list[tuple[str, str]] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe(topics, qos=1)
    client.on_message = lambda _, __, message: heard.append((message.topic, message.payload.decode()))
    client.connect("127.0.0.1", port)
    client.loop_start()
    yield heard
    client.loop_stop()


def train(page: Page, heading: str, *choices: str) -> None:
    for choice in choices:
        page.get_by_role("radio", name=choice).check()
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("heading", name=heading).wait_for(timeout=MINUTES)


def inspect(page: Page, *images: Path) -> None:
    page.goto("/#/inspect")
    page.set_input_files("input[type=file] >> nth=0", [str(image) for image in images])
    page.get_by_text(images[-1].name).first.wait_for()


def add_targets(page: Page, received: Received, port: int) -> None:
    page.goto("/#/product/cookies/line")
    for kind, fields in (
        ("webhook", {"Address": received.url, "Secret that signs": "a secret of the line"}),
        ("mqtt", {"Host": "127.0.0.1", "Port": str(port)}),
    ):
        page.get_by_role("button", name="Add a target").click()
        page.get_by_label("Kind").select_option(kind)
        for label, value in fields.items():
            page.get_by_label(label).fill(value)
        if kind == "mqtt":
            page.get_by_label("Encrypted (TLS)").uncheck()
        page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("all sent").nth(1).wait_for()


def activate(page: Page, version: int, button: str, reason: str) -> None:
    card = page.get_by_role("region", name=f"Version {version}")
    card.get_by_role("button", name=button).click()
    page.get_by_label("Reason, for the record").fill(reason)
    page.get_by_role("dialog").get_by_role("button", name="Let it decide").click()
    card.get_by_text("Decides", exact=True).wait_for()


@pytest.mark.skipif(not COOKIES.is_dir(), reason="../shared/data is not there")
def test_from_photographs_to_results_at_the_line(browser: Browser, tmp_path: Path) -> None:
    good = sorted((COOKIES / "train" / "good").iterdir())
    broken = sorted((COOKIES / "test" / "broken").iterdir())
    others = sorted((COOKIES / "test" / "good").iterdir())
    assert len(good) == 31
    with (
        broker(tmp_path, "allow_anonymous true") as port,
        listener(port, "twinspect/#") as heard,
        web_receiver(lambda number: 200 if number % 2 else 503) as received,
        studio(tmp_path / "data") as address,
    ):
        # Maps of what another version scored are refused: an inspection is shown without one then.
        for page in opened(browser, address, "status of 409", locale="en-GB"):
            page.goto("/")
            page.get_by_role("button", name="New product").click()
            page.get_by_label("Name of the product").fill("cookies")
            page.get_by_role("button", name="Create").click()
            page.get_by_text("No good photos yet").wait_for()
            page.set_input_files("input[type=file] >> nth=0", [str(path) for path in good])
            page.get_by_text("31 photos added.").wait_for()
            page.get_by_label("defects: kept to test").check()
            page.set_input_files("input[type=file] >> nth=0", [str(path) for path in broken[:6]])
            page.get_by_role("heading", name="6 photos of defects").wait_for()
            page.get_by_role("button", name="Check the photos").click()
            page.get_by_text("With 48 or more, a version can promise").wait_for()

            page.goto("/#/product/cookies/training")
            train(page, "Version 1", "1 minute")
            page.get_by_text("false alarms (split-conformal bound from 12 held-out good images)").wait_for()
            with page.context.expect_page() as opening:
                page.get_by_role("link", name="Open the report").click()
            opening.value.get_by_text("false alarm").first.wait_for()
            opening.value.close()

            add_targets(page, received, port)
            inspect(page, *broken[6:12], *others[:4])
            until(lambda: len(results(heard)) >= 10, 120)
            until(lambda: len({body["inspection"] for body in bodies(received)}) >= 10, 120)
            found = {body["image"]: body for body in results(heard)}
            assert {path.name for path in (*broken[6:12], *others[:4])} <= found.keys()
            assert all(body["version"] == 1 for body in found.values())

            judge(page, address, found, {path.name for path in others})
            page.goto("/#/product/cookies/training")
            train(page, "Version 2", "Update the version that decides", "1 minute")
            page.goto("/#/product/cookies/versions")
            card = page.get_by_role("region", name="Version 2")
            card.get_by_text("the version before").wait_for()
            card.get_by_role("row", name="Defects missed").first.wait_for()
            activate(page, 2, "Let it decide", "learnt from what was wrong")
            inspect(page, others[5])
            until(lambda: any(body["version"] == 2 for body in results(heard)), 120)
            page.goto("/#/product/cookies/versions")
            activate(page, 1, "Roll back to it", "to try it")
            inspect(page, others[6])
            until(lambda: results(heard)[-1]["image"] == others[6].name, 120)
            assert results(heard)[-1]["version"] == 1
        assert ("twinspect/cookies/status", "online") in heard


def results(heard: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [json.loads(text) for topic, text in heard if topic == "twinspect/cookies/results"]


def bodies(received: Received) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in received.taken]


def judge(page: Page, address: str, found: dict[str, dict[str, Any]], good: set[str]) -> None:
    """Say of what was inspected what it is; three images are the least that an update learns from."""
    for name, body in found.items():
        page.goto(f"{address}/#/inspection/{body['inspection']}")
        page.get_by_role("heading", name=f"Inspection {body['inspection']}").wait_for()
        page.get_by_role("button", name="Good" if name in good else "Defect").first.click()
        page.locator(".remark", has_text="Marked ").wait_for()


def test_an_empty_studio_gives_a_verdict_within_five_minutes(browser: Browser, tmp_path: Path) -> None:
    with studio(tmp_path / "data") as address:
        for page in opened(browser, address, locale="en-GB"):
            began = time.monotonic()
            page.goto("/")
            page.get_by_role("button", name="coffee").click()
            page.get_by_role("heading", name="coffee").wait_for(timeout=120_000)
            train(page, "Version 1", "1 minute")
            photos = page.request.get("/v1/products/coffee/photos?role=defect").json()["photos"]
            image = tmp_path / "drop.png"
            image.write_bytes(page.request.get(photos[0]["url"]).body())
            inspect(page, image)
            page.get_by_text("Anomalous").first.wait_for()
            assert time.monotonic() - began < 300
