"""Markdown that is written from values: text that is shown as it is, tables, and described options."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BAR = r"\|"
"""What would end a cell of a table, as a part of it."""


def text(words: str) -> str:
    r"""Keep what would be markup, but for code between backticks.

    >>> text("a * b of `x_*`, <HTML> & [x]")
    'a \\* b of `x_*`, \\<HTML> & \\[x\\]'
    """
    parts = re.split(r"(`[^`]*`)", " ".join(words.split()))
    return "".join(
        part if part[:1] == "`" else re.sub(r"([\\*_<\[\]{}$#~])", r"\\\1", part) for part in parts
    )


def code(words: object) -> str:
    """Show a value as code."""
    return f"`{words}`" if str(words) else ""


def sentence(words: str) -> str:
    """Begin with a capital and end with a full stop."""
    words = words.strip()
    return f"{words[:1].upper()}{words[1:]}" + ("" if words.endswith((".", ":", "…")) else ".")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; cells are Markdown already."""
    lines = [list(head), ["---"] * len(head), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |\n" for cells in lines)


def block(language: str, content: str) -> str:
    """Show lines as they are."""
    return f"```{language}\n{content.rstrip()}\n```\n"


def option(signature: str, *paragraphs: str) -> str:
    """Describe an option, so that it can be linked to and searched for."""
    described = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return f"````{{option}} {signature}\n{described}\n````\n"


def toctree(*pages: str) -> str:
    """List the pages below this one."""
    return "```{toctree}\n:maxdepth: 1\n:hidden:\n\n" + "\n".join(pages) + "\n```\n"


def page(title: str, *blocks: str) -> str:
    """Join what a page consists of."""
    return "\n".join(
        [f"# {title}\n", *(part if part.endswith("\n") else f"{part}\n" for part in blocks if part)]
    )
