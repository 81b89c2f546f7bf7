"""The page's texts: one table with two columns, which every text of the page comes from."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from twinspect.regions.describing import WORDS
from twinspect.serve.products.figures import photos_needed
from twinspect.serve.products.photo_check import GOOD_START
from web_files import WEB, without_comments

if TYPE_CHECKING:
    from collections.abc import Iterator

STRING = r'"(?:[^"\\]|\\.)*"'
ROW = re.compile(rf'^  ("[\w.]+"): \[\s*({STRING}),\s*({STRING}),?\s*\],$', re.MULTILINE)
HOLES = re.compile(r"\{\w+\}")
TABLES = sorted((WEB / "texts").glob("*.js"))
MODULES = sorted(set(WEB.rglob("*.js")) - set(TABLES))
NO_TEXT = {"Accept", "Authorization", "Content-Type", "Retry-After", "X-Map-Width", "X-Map-Height", "Bearer"}
NO_TEXT |= {"AbortError", "ArrowDown", "ArrowLeft", "ArrowRight", "ArrowUp", "End", "Enter", "Escape", "Home"}
NO_TEXT |= {"PageDown", "PageUp", "Arrow", "English", "Deutsch"}


def rows() -> Iterator[tuple[str, str, str]]:
    for path in TABLES:
        for key, english, german in ROW.findall(path.read_text(encoding="utf-8")):
            yield json.loads(key), json.loads(english), json.loads(german)


def test_every_row_has_both_languages_with_the_same_placeholders() -> None:
    found = list(rows())
    lines = sum(path.read_text(encoding="utf-8").count('": [') for path in TABLES)
    assert len(found) == lines > 200  # the pattern above reads every row
    assert len({key for key, _, _ in found}) == len(found)
    for key, english, german in found:
        assert english.strip() == english != "", key
        assert german.strip() == german != "", key
        assert set(HOLES.findall(english)) == set(HOLES.findall(german)), key
        assert english.count(" | ") == german.count(" | ") <= 1, key
        assert " | " not in english or "{n}" in english, key


def test_every_key_that_is_used_exists_and_every_one_is_used() -> None:
    keys = {key for key, _, _ in rows()}
    texts = "\n".join(path.read_text(encoding="utf-8") for path in [*MODULES, WEB / "index.html"])
    named = set(re.findall(r'"([a-z]\w*(?:\.\w+)+)"', texts)) - {"twinspect.model"}
    begun = tuple(re.findall(r"`([a-z]\w*(?:\.\w*)+)\$\{", texts)) + tuple(
        f"{prefix}." for prefix in re.findall(r'named\("([\w.]+)"', texts)
    )
    begun += ("term.", "count.", "doing.")
    begun += tuple(
        f"{area}.{kind}" for area in ("sinks", "sources") for kind in ("kind", "field_", "hint_", "results_")
    )
    used = {key for key in keys if key in named or key.startswith(begun)}
    assert sorted(keys - used) == []
    asked = set(re.findall(r'\b(?:t|pieces)\(\s*"([\w.]+)"', texts))
    asked |= {f"count.{name}" for name in re.findall(r'\bcount\([^"\n]*?, "(\w+)"\)', texts)}
    asked |= {f"term.{name}{end}" for name in re.findall(r'\bterm\("(\w+)"', texts) for end in ("", "_means")}
    asked |= {f"doing.{name}" for name in re.findall(r'\bwhyNot\("\w+", "(\w+)"\)', texts)}
    assert sorted(asked - keys) == []


def test_no_text_is_outside_the_table() -> None:
    for path in MODULES:
        code = without_comments(path.read_text(encoding="utf-8"))
        texts = {json.loads(text) for text in re.findall(STRING, code)}
        for template in re.findall(r"`([^`\n]*)`", code):
            texts |= set(re.split(r"\$\{[^}]*\}?", template))
        looks_like_words = [
            text
            for text in texts
            if re.match(r"[A-ZÄÖÜ][a-zäöüß]+\b", text) or re.search(r"[a-z]{2}[.;!?] ", text)
        ]
        assert sorted({text.strip() for text in looks_like_words} - NO_TEXT) == [], path.name


def test_what_the_server_says_of_a_region_is_in_the_table() -> None:
    assert {f"found.is.{word.replace(' ', '_')}" for word in WORDS} == {
        key for key, _, _ in rows() if key.startswith("found.is.")
    }


def test_the_page_advises_as_many_photos_as_the_server() -> None:
    text = (WEB / "product" / "advice.js").read_text(encoding="utf-8")
    assert f"const GOOD_START = {photos_needed(GOOD_START)};" in text
