"""Names in docstrings and annotations: those that are shown become links, others of the program plain text."""

from __future__ import annotations

import ast
import builtins
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PACKAGE = Path(__file__).resolve().parents[2] / "src"
_BEFORE_NAPOLEON, _AFTER_NAPOLEON = 400, 600


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("autodoc-process-docstring", _prepare, priority=_BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", _keep_types, priority=_AFTER_NAPOLEON)
    app.connect("missing-reference", _find)
    app.add_lexer("csv", TextLexer)  # a language that guides name and Pygments lacks
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _prepare(_app: Sphinx, what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Keep what is no markup: bars, and colons in sentences of which Napoleon would take the beginning for a type."""
    lines[:] = [line.replace("|", r"\|") for line in lines]
    sentences = [number for number, line in enumerate(lines, 1) if line.strip() in ("Returns:", "Yields:")]
    if lines and what in ("attribute", "data", "property"):
        sentences.append(0)
    for number in sentences:
        text = lines[number].lstrip()
        lines[number] = lines[number].replace(text, f": {text}")


def _keep_types(
    _app: Sphinx, _what: str, _name: str, _thing: object, _options: object, lines: list[str]
) -> None:
    """Keep types of attributes that end like a link of reStructuredText: ``np.bool_``."""
    lines[:] = [line.replace("_]", r"\_]") if line.startswith(":vartype") else line for line in lines]


def _find(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Find what a name without its module means; one of the program that is not shown is no link."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].lstrip(".")
    known = env.domains.python_domain.objects
    shown = [full for full in known if full == name or full.endswith(f".{name.rpartition('.')[2]}")]
    homes = {(known[full].docname, known[full].node_id) for full in shown}
    if len(homes) == 1:
        page, anchor = homes.pop()
        address = app.builder.get_relative_uri(node["refdoc"], page)
        return nodes.reference("", "", content, internal=True, refuri=f"{address}#{anchor}", reftitle=name)
    return content if name.rpartition(".")[2] in _names() else None


@cache
def _names() -> frozenset[str]:
    """Every name of Python, and every one that the program gives to something or imports from elsewhere."""
    names = {*dir(builtins)}
    for path in PACKAGE.rglob("*.py"):
        names.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names.update(_named(node))
    return frozenset(names)


def _named(node: ast.AST) -> Sequence[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return (name,)
        case ast.ImportFrom(names=aliases) | ast.Import(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return (name,)
        case ast.Attribute(attr=name):  # np.float64, nn.Parameter
            return (name,)
    return ()
