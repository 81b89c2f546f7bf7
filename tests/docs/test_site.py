"""The site builds without a warning, its links lead somewhere, and it loads nothing from other machines."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

LOADED = {
    "img": "src",
    "script": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
}
"""What a browser fetches by itself: the attribute of each element."""


class Addresses(HTMLParser):
    """Collects what a page loads, what it links to, and the places in it that can be linked to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.places.add(found.get("id") or "")
        self.loaded += [found.get(LOADED.get(tag, "")) or ""]
        self.linked += [found.get("href") or ""] if tag == "a" else []


def test_no_address_of_another_machine_is_loaded(site_folder: Path) -> None:
    for page in site_folder.rglob("*.html"):
        assert not [each for each in Addresses(page).loaded if urlsplit(each).scheme not in ("", "data")], (
            page
        )
    for sheet in site_folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)[\s\"']*(https?:)?//", text), sheet


def test_links_lead_to_places_that_exist(site_folder: Path) -> None:
    pages = {page: Addresses(page) for page in site_folder.rglob("*.html")}
    for page, addresses in pages.items():
        for link in (*addresses.linked, *addresses.loaded):
            parts = urlsplit(link)
            if parts.scheme or not link:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), f"{page}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].places, f"{page}: {link}"
