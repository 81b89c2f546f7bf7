"""The frame of a page: its style inside, nothing loaded."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from twinspect.report.markup import element, join

if TYPE_CHECKING:
    from collections.abc import Iterable


def framed(title: str, parts: Iterable[str]) -> str:
    """Put parts into a whole page."""
    template = Template(files("twinspect.report").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(title=element("title", title), body=join(parts))
