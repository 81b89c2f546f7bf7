"""What is written in Markdown, for tests: its code blocks with their reasons, its headings, its links.

A block of ``sh``, ``bash`` or ``python`` is run by the slow tests, unless a comment on the line before its fence says
why not: ``<!-- not run: needs a Ray cluster -->``. ``<!-- needs: parts.twin -->`` anywhere on a page asks for models,
see ``page_folder.py``. A block of ``text`` or ``console`` directly behind one that is run is what it prints, unless a
comment before it says what else it is from: ``<!-- output from: twinspect fit cookies -->``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT: Final = Path(__file__).resolve().parents[2]
SHELL: Final = ("sh", "bash")
OUTPUT: Final = ("text", "console")
_COMMENT: Final = re.compile(r"<!--\s*(?P<kind>[a-z ]+):(?P<words>.*?)-->", re.DOTALL)
_LANGUAGE: Final = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        page: the file that it is in.
        line: number of its first line of code, from 1.
        language: what it is in.
        code: its lines.
        not_run: why it is not run; ``None`` if it is.
        printed: what it should print, but for numbers; empty if the page does not say it.
    """

    page: Path
    line: int
    language: str
    code: str
    not_run: str | None
    printed: str

    @property
    def is_code(self) -> bool:
        """Whether it must be run, or carry a reason."""
        return self.language in (*SHELL, "python")

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


@dataclass(frozen=True)
class Page:
    """A Markdown file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def tokens(self) -> list[Token]:
        """What it consists of."""
        return _LANGUAGE.parse(self.path.read_text(encoding="utf-8"))

    @cached_property
    def blocks(self) -> list[Block]:
        """Its blocks of code, in their order."""
        fences = [number for number, token in enumerate(self.tokens) if token.type == "fence"]
        return [self._block(number) for number in fences]

    @cached_property
    def needs(self) -> list[str]:
        """The models that must be there before its first block runs."""
        comments = [_COMMENT.match(token.content) for token in self.tokens if token.type == "html_block"]
        return [
            name
            for found in comments
            if found and found["kind"] == "needs"
            for name in found["words"].split()
        ]

    @cached_property
    def anchors(self) -> set[str]:
        """What links may name: the headings as GitHub spells them."""
        found: dict[str, int] = {}
        anchors = set()
        for token, inline in zip(self.tokens, self.tokens[1:], strict=False):
            if token.type == "heading_open":
                slug = _slug(_plain(inline))
                anchors.add(f"{slug}-{found[slug]}" if slug in found else slug)
                found[slug] = found.get(slug, 0) + 1
        return anchors

    @cached_property
    def links(self) -> list[str]:
        """Addresses of its links and pictures."""
        inline = [child for token in self.tokens for child in token.children or ()]
        return [
            str(child.attrs.get("href") or child.attrs["src"])
            for child in inline
            if child.tag in ("a", "img") and child.attrs
        ]

    @cached_property
    def commands(self) -> list[str]:
        """What stands between backticks in its text and begins with `twinspect`."""
        inline = [
            child.content
            for token in self.tokens
            for child in token.children or ()
            if child.type == "code_inline"
        ]
        return [text for text in inline if text.startswith("twinspect ")]

    def _block(self, number: int) -> Block:
        token = self.tokens[number]
        first = token.map[0] if token.map else 0
        following = self.tokens[number + 1] if number + 1 < len(self.tokens) else None
        is_output = following is not None and following.type == "fence" and following.info in OUTPUT
        return Block(
            page=self.path,
            line=first + 2,
            language=token.info,
            code=token.content,
            not_run=self._reason(number, first),
            printed=following.content if following is not None and is_output else "",
        )

    def _reason(self, number: int, line: int) -> str | None:
        before = self.tokens[number - 1]
        if before.type != "html_block" or not before.map or before.map[1] != line:
            return None
        found = _COMMENT.match(before.content.strip())
        return found["words"].strip() if found and found["kind"] == "not run" else None


@cache
def page_at(path: Path) -> Page:
    """Give a page, parsed once."""
    return Page(path)


def pages() -> Iterator[Page]:
    """Give every page that is written by hand; those of the reference that are made from the program have no code."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    made = [line.strip("/") for line in ignored if line.startswith("/docs/")]
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if not any(path.is_relative_to(ROOT / name) for name in made):
            yield page_at(path)


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
