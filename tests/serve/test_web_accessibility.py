"""No page has anything that axe-core complains of: light and dark, on a phone and at a desk.

axe-core (MPL-2.0) is no part of this repository; `npm install --no-save axe-core` puts it where it is looked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browsing import launched, opened
from web_pages import PAGES, full_world
from web_stub import serve_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
AXE = Path(os.environ.get("TWINSPECT_AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
SIZES = {"desk": {"width": 1300, "height": 900}, "phone": {"width": 390, "height": 844}}
FOUND = """() => axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations.flatMap(
    ({id, help, nodes}) => nodes.map(({target}) => `${id}: ${help}, at ${target.join(" ")}`)))"""

pytestmark = pytest.mark.skipif(
    not AXE.is_file(),
    reason="the check of accessibility needs: npm install --no-save axe-core (or TWINSPECT_AXE)",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    yield from serve_world(full_world())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing(browser: Browser, address: str, scheme: Any, size: str) -> None:
    for page in opened(browser, address, viewport=SIZES[size], color_scheme=scheme):
        found = {name: violations(page, name) for name in PAGES}
        assert {name: each for name, each in found.items() if each} == {}


WINDOWS = {
    "inspect": lambda page: page.keyboard.press("?"),
    "products": lambda page: page.get_by_role("button", name="New product").click(),
    "product/bolts/line": lambda page: page.get_by_role("button", name="Add a target").click(),
    "product/bolts/photos": lambda page: page.get_by_role("button", name="From inspected images").click(),
    "product/bolts/versions": lambda page: page.get_by_role("button", name="Let it decide").click(),
    "history": lambda page: page.get_by_role("button", name="part 039.png").click(),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_windows_and_results(browser: Browser, address: str, scheme: Any) -> None:
    for page in opened(browser, address, color_scheme=scheme):
        found = {name: violations(page, name, do) for name, do in WINDOWS.items()}
        images = [
            {"name": name, "mimeType": "image/png", "buffer": b"x"} for name in ("a.png", "bad.png", "b.txt")
        ]
        page.goto("/#/inspect")
        page.reload()
        page.set_input_files("input[type=file]", images)
        page.locator(".contours path").first.wait_for(state="attached")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found["results"] = page.evaluate(FOUND)
        assert {name: each for name, each in found.items() if each} == {}


def violations(page: Page, name: str, do: Callable[[Page], object] | None = None) -> list[str]:
    page.goto(f"/#/{name}")
    page.reload()  # closes windows
    page.locator(PAGES[name]).first.wait_for(state="attached")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    if do is not None:
        do(page)
        page.get_by_role("dialog").wait_for()
    found: list[str] = page.evaluate(FOUND)
    return found
