"""Whether a notebook runs this code, and showing HTML in it; IPython is used where it is running, never imported."""

from __future__ import annotations

import html
import sys
from typing import Any


def in_notebook() -> bool:
    """Tell whether a notebook runs this code: Jupyter's, VS Code's, Colab's or another with a kernel of IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def display_html(text: str, *, updated: bool = False) -> Any:
    """Show HTML below the running cell.

    Args:
        text: the HTML.
        updated: whether it will be replaced.

    Returns:
        With ``updated`` a handle whose ``update`` takes :func:`as_html` of what is to be shown instead.
    """
    return sys.modules["IPython"].display.display(as_html(text), display_id=True if updated else None)


def as_html(text: str) -> Any:
    """Wrap HTML in what IPython shows as such."""
    return sys.modules["IPython"].display.HTML(text)


def framed(page: str, height: int = 640) -> str:
    """Put a whole page into a frame of its own, so that its style stays within."""
    return (
        f'<div><iframe srcdoc="{html.escape(page)}" style="border: 1px solid #8886; width: 100%; '
        f'height: {height}px"></iframe></div>'
    )
