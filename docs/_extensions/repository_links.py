"""Links that are right on GitHub lead to the right page of the site; `twinspect VERB` leads to the verb's page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from twinspect.cli.parser import VERBS

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "src/twinspect/teachers/pocket/CARD.md": "reference/pocket.md",
}
"""The page of the site, below ``docs``, that shows a Markdown file outside of it."""
_LINK = re.compile(r"\]\((?P<path>[\w./-]+\.md)(?P<anchor>#[\w-]*)?\)")
_COMMAND = re.compile(r"twinspect (?P<verb>" + "|".join(verb.name for verb in VERBS) + r")(?![\w-])")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect(
        "source-read", lambda app, name, source: _replace(source, Path(app.env.doc2path(name)).parent)
    )
    app.connect(
        "include-read", lambda _app, path, _parent, source: _replace(source, ROOT / Path(path).parent)
    )
    app.add_post_transform(LinkedVerbs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _replace(source: list[str], folder: Path) -> None:
    """Replace links to files that are shown under another name, in the text of a file of a folder."""

    def replaced(link: re.Match[str]) -> str:
        file = Path(os.path.normpath(folder / link["path"]))
        page = PAGES.get(file.relative_to(ROOT).as_posix()) if file.is_relative_to(ROOT) else None
        anchor = "" if page == "index.md" else link["anchor"] or ""
        return f"]({os.path.relpath(ROOT / 'docs' / page, folder)}{anchor})" if page else link[0]

    source[0] = _LINK.sub(replaced, source[0])


class LinkedVerbs(SphinxPostTransform):
    """Makes a link of a command line between backticks."""

    default_priority = 900

    def run(self, **_: Any) -> None:
        """Link every literal that begins with `twinspect VERB`, outside of headings and of links."""
        for literal in list(self.document.findall(nodes.literal)):
            command = _COMMAND.match(literal.astext())
            page = f"reference/cli/{command['verb']}" if command else ""
            if not page or page == self.env.docname or _is_within(literal, nodes.title, nodes.reference):
                continue
            address = self.app.builder.get_relative_uri(self.env.docname, page)
            link = nodes.reference("", "", internal=True, refuri=address)
            literal.replace_self(link)
            link += literal


def _is_within(node: nodes.Node, *kinds: type[nodes.Element]) -> bool:
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False
