"""Opening pages for whoever sits in front of the screen."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_page(path: Path) -> bool:
    """Open a page in the browser where a person sees it: at a terminal, on a desktop.

    Without a desktop, the browser of the system may be one that takes over the terminal.

    Returns:
        Whether a browser was started.
    """
    return sys.stdout.isatty() and open_in_browser(path)


def open_in_browser(path: Path) -> bool:
    """Open a page in the browser of a desktop, and tell whether one was started."""
    return has_desktop() and webbrowser.open(path.resolve().as_uri())


def has_desktop() -> bool:
    """Tell whether windows can be opened: not over ssh, unless that brings a display."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return True
    return sys.platform in ("darwin", "win32", "cygwin") and "SSH_CONNECTION" not in os.environ
