"""Writes the pages of the reference that are made from the program, before Sphinx reads the sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import format_pages
import method_pages
import rest_page
import verb_pages

if TYPE_CHECKING:
    from sphinx.application import Sphinx

WRITERS = (verb_pages.pages, method_pages.pages, rest_page.pages, format_pages.pages)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(folder: Path) -> None:
    """Write every page below a folder; those that say the same already are left as they are."""
    for writer in WRITERS:
        for name, content in writer().items():
            path = folder / f"{name}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text(encoding="utf-8") != content:
                path.write_text(content, encoding="utf-8")
