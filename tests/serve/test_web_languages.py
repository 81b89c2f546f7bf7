"""The page in German and English, in a real, headless Chromium."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from browsing import launched, opened
from studio_stub import health
from web_pages import PAGES, full_world
from web_stub import World, drift, model, serve_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


def test_every_text_of_every_page_is_there_in_german(browser: Browser) -> None:
    """What reads the same in both languages comes from the server, or is one of the words that both have."""
    world = full_world()
    told = texts_of(world)
    for address in serve_world(world):
        shown = {language: texts_in(browser, address, language) for language in ("en-GB", "de-AT")}
    same = {text for text in shown["en-GB"] & shown["de-AT"] if re.search("[A-Za-z]{2}", text)} - BOTH
    assert {text for text in same if not any(text.lower().rstrip(".") in each for each in told)} == set()


BOTH = {
    "twinspect",
    "EN",
    "DE",
    "Drift",
    "Name",
    "Filter",
    "Token",
    "Original",
    "128 × 96 px",
    "Alarm",
    "English",
    "Deutsch",
    "line 1",
    "Live",
    "Training",
    "Version 1",
    "Version 2",
    "Version 2:",
    "640 × 480 px",
    "Webhook (HTTP) plant.local",
    "Webhook (HTTP) → plant.local",
}
SHOWN = """() => {
    const spoken = ["aria-label", "title", "placeholder", "alt"];
    const nodes = [...document.querySelectorAll("body *")];
    const labels = nodes.flatMap((node) => spoken.map((name) => node.getAttribute(name)));
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const {parentElement, data} = walker.currentNode;
        if (!parentElement.closest("noscript, time, code, kbd")) labels.push(data);
    }
    return labels.filter(Boolean).map((text) => text.trim());
}"""


def texts_of(value: Any) -> set[str]:
    """All strings of a world's answers."""
    studio = vars(value.studio) | {
        "product": value.studio.product("bolts"),
        "health": health({"name": "part 0.png"}),
    }
    answers = [model(value), drift(50), value.inspections, value.records, studio]
    return set(re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(answers).lower()))


def texts_in(browser: Browser, address: str, language: str) -> set[str]:
    found: set[str] = set()
    for page in opened(browser, address, locale=language):
        for name, ready in PAGES.items():
            page.goto(f"/#/{name}")
            page.locator(ready).first.wait_for(state="attached")
            found |= set(page.evaluate(SHOWN))
        assert page.evaluate("document.documentElement.lang") == language[:2]
    return found


def test_the_language_is_chosen_and_kept(browser: Browser) -> None:
    for address in serve_world(World()):
        for page in opened(browser, address):
            page.goto("/#/history")
            page.get_by_label("Language").select_option("de")
            page.get_by_role("heading", name="Verlauf").wait_for()
            page.reload()
            page.get_by_role("heading", name="Verlauf").wait_for()
            page.get_by_text("1 bis 25, insgesamt 40 Bilder").wait_for()
