"""A real, headless Chromium for tests of the page; those that import this are skipped where there is none."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright", reason="the browser tests need: pip install playwright")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

if CHROMIUM is None:
    pytest.skip("the browser tests need the program chromium", allow_module_level=True)


@contextmanager
def launched(*flags: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def opened(browser: Browser, address: str, expected: str = "$^", **options: Any) -> Iterator[Page]:
    """A page whose console must stay silent: failing scripts and what the policy blocks are reported there.

    Chromium itself reports there that the server refused something, and what else is `expected`, as a pattern.
    """
    context = browser.new_context(base_url=address, **options)
    page = context.new_page()
    page.set_default_timeout(30_000)
    messages: list[str] = []
    page.on(
        "console",
        lambda message: messages.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: messages.append(str(error)))
    yield page
    context.close()
    known = f"status of (401|413|415|422|429)|{expected}"
    unknown = [message for message in messages if not re.search(known, message)]
    assert not unknown, unknown
