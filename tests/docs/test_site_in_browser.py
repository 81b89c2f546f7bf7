"""In Chromium, from a disk: pages fit phones and desks, light and dark; search works; nothing else is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browsing import launched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

MILLISECONDS = 120_000
"""For a page to load, on a machine with much else to do."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_no_page_is_wider_than_its_window(
    site_folder: Path, browser: Browser, width: int, scheme: str
) -> None:
    asked: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    window = context.new_page()
    window.set_default_timeout(MILLISECONDS)
    window.on("request", lambda request: asked.append(request.url))
    window.on("pageerror", lambda error: asked.append(f"error: {error}"))
    for page in site_folder.rglob("*.html"):
        window.goto(page.as_uri())
        assert window.evaluate("document.documentElement.scrollWidth") <= width, page
    assert not [each for each in asked if not each.startswith(("file:", "data:"))]
    context.close()


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("--exclude-suspects", "cli/fit"),
        ("noisy_or", "python/twinspect"),
        ("conformal", "concepts/the_promise"),
    ],
)
def test_search_finds_options_functions_and_words(
    site_folder: Path, browser: Browser, words: str, page: str
) -> None:
    window = browser.new_page()
    window.set_default_timeout(MILLISECONDS)
    window.goto(f"{(site_folder / 'search.html').as_uri()}?q={words}")
    window.wait_for_selector(f"#search-results li a[href*='{page}.html']")
    window.close()
