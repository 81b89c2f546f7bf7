"""HTML by Jinja2 templates: what is not markup already is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from twinspect.utils.spelling import spell


def make_environment() -> Environment:
    """Make an environment of the package's templates, to which filters may be added."""
    return Environment(
        loader=PackageLoader("twinspect", ""),
        autoescape=True,
        finalize=_spelled,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_fragment(path: str, **values: Any) -> str:
    """Fill in a template that stands alone.

    Args:
        path: inside the package, such as ``inference/scores.html``.
        **values: what the template shows; a missing one is an error.
    """
    return _environment().get_template(path).render(values)


@cache
def _environment() -> Environment:
    return make_environment()


def _spelled(value: Any) -> Any:
    """Spell text, which may be the name of a file; markup is our own."""
    return spell(value) if type(value) is str else value
