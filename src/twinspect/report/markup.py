"""Building HTML so that nothing is left unescaped: a plain string is text, only :class:`Html` is markup."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable


VOID: Final = frozenset({"br", "img", "meta", "wbr"})
"""Elements that have no closing tag in HTML."""


class Html(str):
    """Text that is markup already. Every other string is escaped where it is put into an element."""

    __slots__ = ()


NOTHING: Final = Html("")


def element(name: str, *children: str, **attributes: str | float | None) -> Html:
    """Build one element of HTML, or of SVG inside HTML.

    Args:
        name: the tag.
        *children: what it holds; escaped unless it is :class:`Html`.
        **attributes: a trailing underscore is dropped and the others become hyphens, so ``class_`` is
            ``class`` and ``text_anchor`` is ``text-anchor``. ``None`` leaves one out; numbers have at most
            two decimals.

    >>> element("p", "1 < 2", element("br"), class_="note")
    '<p class="note">1 &lt; 2<br></p>'
    """
    opening = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in VOID:
        return Html(f"<{name}{opening}>")
    return Html(f"<{name}{opening}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Put parts one after the other, escaping those that are not markup."""
    return Html("".join(part if isinstance(part, Html | Markup) else escape(part) for part in parts))


def table(
    columns: Iterable[str], rows: Iterable[Iterable[str]], caption: str, *, wrapped: bool = False
) -> Html:
    """Build a table that scrolls sideways where it is wider than the page; the first cell names its row.

    Args:
        columns: the heads.
        rows: the cells, as many a row as there are heads.
        caption: what the table shows.
        wrapped: whether cells hold words, which are broken into lines, instead of numbers.
    """
    head = element("tr", *[element("th", column, scope="col") for column in columns])
    body = [_row(cells) for cells in rows]
    grid = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    class_ = "scroll words" if wrapped else "scroll"
    return element("div", grid, class_=class_, role="region", aria_label=caption, tabindex="0")


def section(title: str, *parts: str) -> Html:
    """Put a heading over parts."""
    return element("section", element("h2", title), *parts)


def _row(cells: Iterable[str]) -> Html:
    first, *others = cells
    return element("tr", element("th", first, scope="row"), *[element("td", cell) for cell in others])


def _attribute(key: str, value: str | float) -> str:
    name = key.rstrip("_").replace("_", "-")
    text = (
        value if isinstance(value, str) else f"{round(value, 2) + 0.0:.10g}"
    )  # adding zero takes the sign off -0
    return f' {name}="{escape(text)}"'


def framed(title: str, parts: Iterable[str]) -> str:
    """Put parts into a whole page."""
    template = Template(files("twinspect.report").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(title=element("title", title), body=join(parts))
