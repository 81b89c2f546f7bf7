"""The page Live in a real, headless Chromium."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from browsing import launched, opened
from web_stub import World, serve_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


def test_live_follows_the_line_and_a_server_that_restarts(
    browser: Browser,
) -> None:
    world = World()
    pages = (
        page for address in serve_world(world) for page in opened(browser, address, expected="ERR_FAILED")
    )
    for page in pages:
        old = datetime.now(timezone.utc) - timedelta(minutes=3, seconds=20)
        world.inspections[-1] |= {"scored_at": old.isoformat(), "is_anomalous": False}
        page.goto("/#/live")
        page.locator(".live-verdict.good", has_text="Good").wait_for()
        page.get_by_text("No image for 3 min").wait_for()
        assert page.locator(".strip li").count() == 20
        page.route("**/v1/inspections*", lambda route: route.abort())
        page.get_by_text("The server does not answer").wait_for()
        region = {
            "box": [60, 20, 40, 40],
            "area_px": 180,
            "extent_px": 21.5,
            "p_value": 0.01,
            "words": ["darker"],
        }
        world.add("bad.png", 4.65)
        world.inspections[-1] |= {"scored_at": datetime.now(timezone.utc).isoformat(), "regions": [region]}
        page.unroute("**/v1/inspections*")
        page.locator(".live-verdict.anomalous", has_text="Anomalous").wait_for()
        page.get_by_text("Score 4.65: 1.5 × the threshold of 3.1").wait_for()
        page.get_by_text("darker (180 pixels, 21.5 px long)").wait_for()
        page.get_by_text(re.compile(r"^\d+ s ago$")).wait_for()
        assert page.get_by_text("The server does not answer").is_hidden()
        page.keyboard.press("f")
        page.locator(".live:fullscreen").wait_for()
