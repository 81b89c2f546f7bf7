"""Pages by templates, with the filters and macros of reports."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from twinspect.drawing.templates import make_environment
from twinspect.inference.verdicts import explain_p_value
from twinspect.report import formatting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment


class Table(NamedTuple):
    """What the macro ``table`` shows.

    Attributes:
        caption: what it holds.
        columns: the heads.
        rows: as many cells as there are heads; the first names its row.
        wrapped: whether cells hold words, which are broken into lines, instead of numbers.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    wrapped: bool = False


def render_template(path: str, **values: Any) -> str:
    """Fill in a template.

    Args:
        path: inside the package, such as ``report/page.html``.
        **values: what the template shows; a missing one is an error.
    """
    return _environment().get_template(path).render(values)


@cache
def _environment() -> Environment:
    environment = make_environment()
    environment.filters |= {
        "decimal": formatting.decimal,
        "error_bounds": formatting.error_bounds,
        "interval": formatting.interval,
        "p_value": explain_p_value,
        "percent": formatting.percent,
        "plural": formatting.plural,
        "times_threshold": formatting.times_threshold,
    }
    macros: Any = environment.get_template("report/templates/macros.html").module
    environment.globals |= {name: getattr(macros, name) for name in ("definitions", "figure", "table")}
    return environment
